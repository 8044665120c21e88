import FastCGI
import Sessions

/// What pages of other origins may read of the answers (fetch.spec.whatwg.org, "CORS protocol"): one rule for all families of routes.
struct CrossOrigin: Sendable {
    /// Who may read a route beside those that `SWINGMUSIC_FCGI_CORS_ORIGINS` names.
    enum Readers: Sendable {
        case named
        /// Pages of any origin, without the user's cookie; and our own with it, by whatever scheme they came.
        case anyone
        /// No page: not even the named ones, and preflights are requests like others.
        case nobody
    }

    private let isForAnyone: Bool
    private let namesOrigins: Bool
    private let origins: OriginPolicy
    private let publicURL: BaseURL?

    /// - Parameter publicURL: `SWINGMUSIC_FCGI_PUBLIC_URL`; without it the request's own host is ours.
    init(_ allowed: AllowedOrigins = .named([]), publicURL: BaseURL? = nil) {
        isForAnyone = allowed == .anyone
        namesOrigins = !allowed.named.isEmpty
        origins = OriginPolicy(origins: allowed.named.map(\.text))
        self.publicURL = publicURL
    }

    /// Looks at nothing of the request where no origin could make a difference.
    func grant(to request: Request, _ readers: Readers) -> Grant {
        switch readers {
        case .nobody: return Grant()
        case .named, .anyone:
            if isForAnyone { return Grant(to: .anyone) }
            guard namesOrigins || readers == .anyone else { return Grant() }
        }
        // A cache on the way must not give one origin what was meant for another, or for none.
        guard let origin = request.parameter("HTTP_ORIGIN"), !origin.isEmpty else { return Grant(varies: namesOrigins) }
        if origins.isAllowed(origin) { return Grant(to: .origin(origin), varies: true) }
        guard readers == .anyone else { return Grant(varies: true) }
        return Grant(to: origins.isKnown(origin, site(request)) ? .origin(origin) : .anyone, varies: true)
    }

    private func site(_ request: Request) -> OwnSite? {
        publicURL.map { .origin($0.text) } ?? request.parameter("HTTP_HOST").map(OwnSite.host)
    }

    /// What one request's answer says of it.
    struct Grant: Sendable, Equatable {
        enum Reader: Equatable {
            case nobody
            /// Without the user's cookie.
            case anyone
            /// With it.
            case origin(String)
        }

        private let reader: Reader
        /// Whether another origin would be told otherwise.
        private let varies: Bool

        init(to reader: Reader = .nobody, varies: Bool = false) {
            self.reader = reader
            self.varies = varies
        }

        var isSilent: Bool { if case .nobody = reader { !varies } else { false } }

        /// The answer to a browser that asks before it sends a page's request; nil for a request that is no such question.
        /// It comes before any identity is asked: a browser sends none with it.
        func preflight(_ request: Request, _ readers: Readers) -> Response? {
            guard case .options = request.method, readers != .nobody, has(request, "HTTP_ORIGIN"),
                has(request, "HTTP_ACCESS_CONTROL_REQUEST_METHOD")
            else { return nil }
            var response = Response(status: 200)
            if reader != .nobody {
                response.add(lines: "Access-Control-Allow-Methods: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n")
                if let asked = request.parameter("HTTP_ACCESS_CONTROL_REQUEST_HEADERS") {
                    response.add("Access-Control-Allow-Headers", asked)
                }
                response.add(lines: "Access-Control-Max-Age: 600\r\n")
            }
            return response
        }

        private func has(_ request: Request, _ name: StaticString) -> Bool { request.withParameter(name) { !$0.isEmpty } ?? false }

        /// Adds what browsers and caches are told.
        func tell(_ response: inout Response) {
            switch reader {
            case .nobody: break
            case .anyone: response.add(lines: "Access-Control-Allow-Origin: *\r\n")
            case .origin(let origin):
                response.add("Access-Control-Allow-Origin", origin)
                response.add(lines: "Access-Control-Allow-Credentials: true\r\n")
            }
            if reader != .nobody {
                response.add(
                    lines:
                        "Access-Control-Expose-Headers: Retry-After, RateLimit-Reset, ETag, Cache-Status, Preference-Applied, WWW-Authenticate, Allow\r\n"
                )
            }
            if varies { response.add(lines: "Vary: Origin\r\n") }
        }
    }
}

extension Response {
    /// What every answer says, whichever family it is of: what pages may read of it, and with 401 how to sign in (RFC 9110, 15.5.2).
    /// The scheme is one for which browsers ask no password (RFC 6750, section 3).
    func dressed(_ grant: CrossOrigin.Grant) -> Response {
        guard isDressed(grant) else { return self }
        var response = self
        if status == 401 { response.add(lines: "WWW-Authenticate: Bearer realm=\"swingmusic-fcgi\"\r\n") }
        grant.tell(&response)
        return response
    }

    fileprivate func isDressed(_ grant: CrossOrigin.Grant) -> Bool { status == 401 || !grant.isSilent }
}

extension Outcome {
    /// As `Response.dressed`, for an answer that is there, and for one that has to be waited for. One that comes soon is dressed when it
    /// is known.
    func dressed(_ grant: CrossOrigin.Grant) -> Outcome {
        switch self {
        case .now(let response): response.isDressed(grant) ? .now(response.dressed(grant)) : self
        case .pending: self
        case .parked(let parkedRequest): .parked(parkedRequest.changed { $0.dressed(grant) })
        }
    }
}
