import FastCGI
import Sessions

extension Caller {
    /// - Parameter publicURL: `SWINGMUSIC_FCGI_PUBLIC_URL`; without it the request's own host is ours.
    init(_ request: Request, publicURL: BaseURL?) {
        self.init(
            cookies: request.parameters("HTTP_COOKIE"), authorization: request.parameters("HTTP_AUTHORIZATION"),
            address: request.parameter("REMOTE_ADDR") ?? "", userAgent: request.parameter("HTTP_USER_AGENT"),
            origin: request.parameter("HTTP_ORIGIN"), fetchSite: request.parameter("HTTP_SEC_FETCH_SITE"),
            site: publicURL.map { .origin($0.text) } ?? request.parameter("HTTP_HOST").map(OwnSite.host))
    }
}

extension FormBody {
    init(_ request: Request) {
        var content: [UInt8] = []
        if case .bytes(let bytes) = request.body { content = bytes }
        self.init(bytes: content, contentType: request.parameter("CONTENT_TYPE"))
    }
}
