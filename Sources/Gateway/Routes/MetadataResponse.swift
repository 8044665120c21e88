import Caching
import Catalog
import FastCGI

/// Known things as HTTP answers: stored bytes, a tag, and where they came from.
enum MetadataAnswer {
    static let json = "application/json; charset=utf-8"

    /// - Parameter status: what `Cache-Status` says; nil for a hit.
    static func complete(_ composed: Composed, _ wishes: Wishes, status: CacheStatus? = nil) -> Response {
        let isPatchy = !composed.pending.isEmpty
        let matches = !isPatchy && (wishes.condition.map { EntityTag.matches($0, composed.tag) } ?? false)
        var response = matches ? Response(status: 304) : Response(status: 200, body: composed.body)
        if !matches { response.add(lines: "Content-Type: application/json; charset=utf-8\r\n") }
        response.omitsBody = matches || wishes.isHead
        if isPatchy {
            response.add(lines: "Cache-Control: no-store\r\n")
        } else {
            response.add("ETag") { EntityTag.write(composed.tag, to: &$0) }
            response.add(lines: "Cache-Control: private, max-age=0\r\n")
        }
        response.add(status ?? .hit(composed.tier, ttl: composed.ttl, composed.freshness, refusedWith: composed.refusedWith))
        return response
    }

    /// Spotify's refusal in the family's words.
    /// - Parameter status: what `Cache-Status` says; nil for a hit.
    static func denied(_ composed: ComposedDenial, _ wishes: Wishes, status: CacheStatus? = nil) -> Response {
        let denial = composed.denial
        var response = wishes.dialect.error(denial.status, (denial.status == 404 ? wishes.notFound : nil) ?? denial.message)
        response.add(status ?? .hit(composed.tier, ttl: composed.ttl, .fresh, refusedWith: nil))
        response.omitsBody = wishes.isHead
        return response
    }

    /// 503: not here, and not to be had within the caller's patience.
    static func missing(_ message: String, after: Duration, _ wishes: Wishes) -> Response {
        var response = wishes.dialect.unavailable(message, retryAfter: after)
        response.add(CacheStatus.miss)
        response.omitsBody = wishes.isHead
        return response
    }

    /// 202 (RFC 7240, `respond-async`): it is queued, come back.
    static func queued(after: Duration, _ wishes: Wishes) -> Response {
        var response = Response(status: 202, contentType: json, body: Array(#"{"status":"queued"}"#.utf8))
        response.add("Retry-After", "\(after.wholeSeconds)")
        response.add("Preference-Applied", "respond-async")
        response.add("Cache-Control", "no-store")
        response.add(CacheStatus.miss)
        response.omitsBody = wishes.isHead
        return response
    }
}
