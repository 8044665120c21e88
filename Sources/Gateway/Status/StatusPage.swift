import Crypto
import FastCGI
import Foundation

/// `/swingmusic-fcgi/status`: the files of the folder Page in one document, which is the same for everybody. It reads its figures from JSON
/// beside it.
enum StatusPage {
    /// The page's one style and one script are named by their hashes (CSP Level 3, 2.3.1); no other runs, from whatever address. The script may
    /// ask this server alone, and can make no HTML of a text (Trusted Types).
    /// - Parameter covers: pictures may come from Spotify's image host.
    static func policy(covers: Bool) -> String { fixedPolicy + "; img-src data:\(covers ? " \(coverHost)" : "")" }

    /// Where Spotify has its pictures.
    static let coverHost = "https://i.scdn.co"

    private static let fixedPolicy =
        "default-src 'none'; style-src '\(hash(style))'; script-src '\(hash(script))'; connect-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

    static let html = Array(
        text(PackageResources.status_html)
            .replacing("<style></style>", with: "<style>\(text(style))</style>")
            .replacing("<script type=\"module\"></script>", with: "<script type=\"module\">\(text(script))</script>").utf8)

    private static let style = PackageResources.status_css
    private static let script = PackageResources.status_js + PackageResources.pictures_js + PackageResources.activity_js

    /// - Parameter covers: as in `policy`.
    static func response(covers: Bool) -> Response {
        var response = Response(status: 200, contentType: "text/html; charset=utf-8", body: html)
        response.add(
            lines: """
                Cache-Control: no-cache\r
                X-Content-Type-Options: nosniff\r
                Referrer-Policy: same-origin\r
                Cross-Origin-Opener-Policy: same-origin\r
                Cross-Origin-Resource-Policy: same-origin\r

                """)
        response.add("Content-Security-Policy", policy(covers: covers))
        return response
    }

    /// The answer at the folder's own path.
    static var leading: Response {
        var response = Response(status: 302)
        response.add("Location", "/swingmusic-fcgi/status")
        response.add("Cache-Control", "no-store")
        return response
    }

    private static func text(_ file: [UInt8]) -> String { String(decoding: file, as: UTF8.self) }

    private static func hash(_ text: [UInt8]) -> String { "sha256-" + Data(SHA256.hash(data: Data(text))).base64EncodedString() }
}
