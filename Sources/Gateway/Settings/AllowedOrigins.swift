/// What `SWINGMUSIC_FCGI_CORS_ORIGINS` says.
public enum AllowedOrigins: Sendable, Equatable {
    /// Pages of these may read answers, and send the session's cookie.
    case named([BaseURL])
    /// `*`: pages of any origin may read answers, and nobody's may send the cookie.
    case anyone

    /// Those that may send the cookie.
    var named: [BaseURL] { if case .named(let origins) = self { origins } else { [] } }
}
