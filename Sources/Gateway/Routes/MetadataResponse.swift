import Caching
import Catalog
import FastCGI

/// Known things as HTTP answers: stored bytes, a tag, and where they came from.
enum MetadataResponse {
    static let json = "application/json; charset=utf-8"

    /// - Parameter status: what `Cache-Status` says; nil for a hit.
    static func complete(_ composed: Composed, _ conditional: Conditional, status: CacheStatus? = nil) -> Response {
        let isPatchy = !composed.pending.isEmpty
        let matches = !isPatchy && (conditional.condition.map { EntityTag.matches($0, composed.tag) } ?? false)
        var response = matches ? Response(status: 304) : Response(status: 200, body: composed.body)
        if !matches { response.add(lines: "Content-Type: application/json; charset=utf-8\r\n") }
        response.omitsBody = matches || conditional.isHead
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
    static func denied(_ composed: DeniedQuery, _ conditional: Conditional, status: CacheStatus? = nil) -> Response {
        let denial = composed.denial
        var response = conditional.errorFormat.error(denial.status, (denial.status == 404 ? conditional.notFound : nil) ?? denial.message)
        response.add(status ?? .hit(composed.tier, ttl: composed.ttl, .fresh, refusedWith: nil))
        response.omitsBody = conditional.isHead
        return response
    }

    /// 503: not here, and not to be had within the caller's patience.
    static func missing(_ message: String, after: Duration, _ conditional: Conditional) -> Response {
        var response = conditional.errorFormat.unavailable(message, retryAfter: after)
        response.add(CacheStatus.miss)
        response.omitsBody = conditional.isHead
        return response
    }

    /// 202 (RFC 7240, `respond-async`): it is queued, come back.
    static func queued(after: Duration, _ conditional: Conditional) -> Response {
        var response = Response(status: 202, contentType: json, body: Array(#"{"status":"queued"}"#.utf8))
        response.add("Retry-After", "\(after.wholeSeconds)")
        response.add("Preference-Applied", "respond-async")
        response.add("Cache-Control", "no-store")
        response.add(CacheStatus.miss)
        response.omitsBody = conditional.isHead
        return response
    }
}
