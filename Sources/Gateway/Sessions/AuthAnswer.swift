import FastCGI
import Sessions

/// How the answers below `/auth/` are dressed: CORS, `Vary`, cookies, HEAD.
struct AuthAnswer: Sendable {
    let sharing: OriginPolicy.Sharing
    let isHead: Bool
    /// `Access-Control-Request-Headers` of a preflight.
    let askedHeaders: String?
    let isPreflight: Bool

    init(sharing: OriginPolicy.Sharing, _ request: Request) {
        self.sharing = sharing
        isHead = request.method == .head
        isPreflight = request.method == .options && request.parameter("HTTP_ACCESS_CONTROL_REQUEST_METHOD") != nil
        askedHeaders = isPreflight ? request.parameter("HTTP_ACCESS_CONTROL_REQUEST_HEADERS") : nil
    }

    func response(_ answer: Answer) -> Response {
        var response = Response(status: answer.status, contentType: Dialect.json, body: answer.body)
        response.add("Cache-Control", "no-store")
        if let seconds = answer.retryAfter { response.add("Retry-After", "\(seconds)") }
        return dressed(response, cookies: answer.cookies)
    }

    /// What swingmusic is to carry out is handed back to nginx, which passes the request on as it came.
    func response(_ handing: Handing) -> Response {
        switch handing {
        case .answer(let answer): return response(answer)
        case .handOn(let cookies):
            var response = Response(status: 200)
            response.add("X-Accel-Redirect", "@swingmusic_profile")
            for cookie in cookies { response.add("Set-Cookie", cookie) }
            return response
        }
    }

    /// OPTIONS is always 200 and empty.
    func preflight() -> Response {
        var response = Response(status: 200, contentType: "text/html; charset=utf-8")
        if isPreflight, sharing != .silent {
            response.add("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
            if let askedHeaders { response.add("Access-Control-Allow-Headers", askedHeaders) }
        }
        return dressed(response)
    }

    func dressed(_ bare: Response, cookies: [String] = []) -> Response {
        var response = bare
        response.omitsBody = isHead
        for cookie in cookies { response.add("Set-Cookie", cookie) }
        response.add("Vary", "Accept-Encoding")
        switch sharing {
        case .silent: break
        case .credentials(let origin):
            response.add("Access-Control-Allow-Origin", origin)
            response.add("Access-Control-Allow-Credentials", "true")
            response.add("Vary", "Origin")
        case .anyone:
            response.add("Access-Control-Allow-Origin", "*")
            response.add("Vary", "Origin")
        }
        return response
    }

    /// For nginx's `auth_request`: no body to speak of, and nothing that a cache may keep.
    static func verification(_ verification: Verification) -> Response {
        var response =
            verification.message.map { Dialect.swingmusic.error(verification.status, $0) } ?? Response(status: verification.status)
        if verification.message == nil { response.add("Cache-Control", "no-store") }
        if let id = verification.userID { response.add("X-Swingmusic-User-Id", "\(id)") }
        if let name = verification.userName { response.add("X-Swingmusic-Username", name) }
        if let roles = verification.roles { response.add("X-Swingmusic-Roles", roles) }
        if let cookie = verification.cookie { response.add("Set-Cookie", cookie) }
        return response
    }
}
