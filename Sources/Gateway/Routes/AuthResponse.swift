import FastCGI
import Sessions

/// How the answers below `/auth/` are dressed: `Vary`, cookies.
enum AuthResponse {
    static func response(_ answer: Answer) -> Response {
        var response = Response(status: answer.status, contentType: ErrorFormat.json, body: answer.body)
        response.add("Cache-Control", "no-store")
        if let seconds = answer.retryAfter { response.add("Retry-After", "\(seconds)") }
        return dressed(response, cookies: answer.cookies)
    }

    /// What swingmusic is to carry out is handed back to nginx, which passes the request on as it came.
    static func response(_ handing: Handing) -> Response {
        switch handing {
        case .answer(let answer): return response(answer)
        case .handOn(let cookies):
            var response = Response(status: 200)
            response.add("X-Accel-Redirect", "@swingmusic_profile")
            for cookie in cookies { response.add("Set-Cookie", cookie) }
            return response
        case .contested: return response(Handing.taken)
        }
    }

    /// In the words of `@swingmusic_away` in sessions.conf.
    static func away(status: Int) -> Response {
        dressed(ErrorFormat.swingmusic.unavailable("swingmusic does not answer", retryAfter: .seconds(10), status: status))
    }

    /// OPTIONS is always 200 and empty.
    static func options() -> Response { dressed(Response(status: 200, contentType: "text/html; charset=utf-8")) }

    static func dressed(_ bare: Response, cookies: [String] = []) -> Response {
        var response = bare
        for cookie in cookies { response.add("Set-Cookie", cookie) }
        response.add("Vary", "Accept-Encoding")
        return response
    }

    /// For nginx's `auth_request`: no body to speak of, and nothing that a cache may keep.
    static func verification(_ verification: Verification) -> Response {
        var response =
            verification.message.map { ErrorFormat.swingmusic.error(verification.status, $0) } ?? Response(status: verification.status)
        if verification.message == nil { response.add("Cache-Control", "no-store") }
        if let id = verification.userID { response.add("X-Swingmusic-User-Id", "\(id)") }
        if let name = verification.userName { response.add("X-Swingmusic-Username", name) }
        if let roles = verification.roles { response.add("X-Swingmusic-Roles", roles) }
        if let cookie = verification.cookie { response.add("Set-Cookie", cookie) }
        return response
    }
}

extension FormBody {
    init(_ request: Request) {
        var content: [UInt8] = []
        if case .bytes(let bytes) = request.body { content = bytes }
        self.init(bytes: content, contentType: request.parameter("CONTENT_TYPE"))
    }
}
