import FastCGI
import Platform
import Sessions

/// How the answers below `/auth/` are dressed: `Vary`, cookies.
enum AuthResponse {
    static func response(_ answer: Answer) -> Response {
        var response = Response(status: answer.status, contentType: ErrorFormat.json, body: answer.body)
        response.add("Cache-Control", "no-store")
        if let seconds = answer.retryAfter { response.add("Retry-After", "\(seconds)") }
        response.unserved = answer.cause.map { Reason($0) }
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
        dressed(ErrorFormat.swingmusic.unavailable("swingmusic does not answer", .swingmusic, retryAfter: .seconds(10), status: status))
    }

    /// OPTIONS is always 200 and empty.
    static func options() -> Response { dressed(Response(status: 200, contentType: "text/html; charset=utf-8")) }

    static func dressed(_ bare: Response, cookies: [String] = []) -> Response {
        var response = bare
        for cookie in cookies { response.add("Set-Cookie", cookie) }
        response.add("Vary", "Accept-Encoding")
        return response
    }

    /// For nginx's `auth_request`, which knows 2xx, 401 and 403, and nothing else: no body to speak of, and nothing that a cache may keep.
    /// - Parameter role: that the user must have.
    static func verification(_ request: AuthenticatedRequest, role: String?) -> Response {
        var response = verification(request.refusal(without: role))
        if response.status == 204 {
            response.add("X-Swingmusic-User-Id", "\(request.user.id)")
            // Percent-encoded UTF-8, the roles by comma.
            response.add("X-Swingmusic-Username", PercentEncoding.encode(request.user.name))
            response.add("X-Swingmusic-Roles", request.user.roles.map { PercentEncoding.encode($0) }.joined(separator: ","))
        }
        return response.renewing(request.renewal)
    }

    /// - Parameter refused: nil for who may pass.
    static func verification(_ refused: Refused?) -> Response {
        guard let refused else {
            var response = Response(status: 204)
            response.add("Cache-Control", "no-store")
            return response
        }
        // A fault of ours is no reason to sign in again: 403, with the time after which to ask again, which tells it from a refusal.
        guard refused.status >= 500 else { return ErrorFormat.swingmusic.error(refused.status == 403 ? 403 : 401, refused.message) }
        var response = ErrorFormat.swingmusic.error(403, refused.message)
        response.add("Retry-After", "\(refused.retryAfter ?? 5)")
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
