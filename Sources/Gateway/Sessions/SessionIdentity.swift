import FastCGI
import Sessions

/// swingmusic's sessions as the other families see them.
struct SessionIdentity: IdentitySource {
    let sessions: Sessions
    let publicURL: BaseURL?

    func identity(of request: Request) -> Identity {
        let caller = Caller(request, publicURL: publicURL)
        let changes = ![.get, .head, .options].contains(request.method)
        switch sessions.check(caller, changes: changes) {
        case .user(let signedIn): return .user(id: Int(signedIn.user.id), roles: signedIn.user.roles, renewal: signedIn.renewal)
        case .absent: return .anonymous
        case .refused(let refused): return .refused(status: refused.status, message: refused.message)
        }
    }
}
