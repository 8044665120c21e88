/// The program's version, as `--version` and the status routes say it.
enum Version {
    /// As a product token (RFC 9110, section 10.1.5).
    static let product = "swingmusic-fcgi/0.1.0"
    static let text = String(product.drop { $0 != "/" }.dropFirst())
}
