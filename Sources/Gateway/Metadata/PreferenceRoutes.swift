import Caching
import Catalog
import FastCGI

/// `/api/catalog/preferences/{user_id}`: what the session's user prefers. Nobody sees another's.
struct PreferenceRoutes: Sendable {
    let catalog: Catalog
    let door: Doorkeeper
    let dialect: Dialect

    func answer(_ routed: Routed, user text: String) -> Response {
        switch door.admitUser(routed.request, dialect) {
        case .refused(let response): return response
        case .admitted(_, let user, let renewal):
            guard let asked = Int(text), asked >= 0 else { return dialect.error(400, "Invalid user id") }
            guard let user, user == asked else { return dialect.error(403, "Forbidden") }
            return answer(routed, user).renewing(renewal)
        }
    }

    private func answer(_ routed: Routed, _ user: Int) -> Response {
        do {
            if routed.request.method == .post {
                let change = try change(ItemParameters(routed).body())
                try catalog.changePreferences(of: user, change)
                return json(Array(#"{"message":"Preferences updated successfully"}"#.utf8))
            }
            return json(try catalog.preferences(of: user).json(of: user))
        } catch let error as BadRequest {
            return dialect.error(error.status, error.message)
        } catch {
            return dialect.unavailable("The database cannot be used: \(error)", retryAfter: .seconds(5))
        }
    }

    /// What the body asks for; what it does not name stays.
    private func change(_ body: JSONObject) throws(BadRequest) -> (inout Preferences) -> Void {
        var counts: [(Preferences.Count, Int)] = []
        for count in Preferences.Count.all {
            if let value = try body.integer(count.name) { counts.append((count, value)) }
        }
        let showsExplicit = try body.bool("show_explicit")
        let markets = body.has("preferred_markets") ? try markets(body.strings("preferred_markets")) : nil
        return { preferences in
            for (count, value) in counts { preferences.set(count, value) }
            if let showsExplicit { preferences.showsExplicit = showsExplicit }
            if let markets { preferences.markets = markets }
        }
    }

    private func markets(_ codes: [String]) throws(BadRequest) -> [Market] {
        guard codes.count <= 250 else { throw BadRequest(400, "preferred_markets has too many markets") }
        var markets: [Market] = []
        for code in codes {
            guard let market = Market(code) else { throw BadRequest(400, "preferred_markets has an invalid market") }
            if !markets.contains(market) { markets.append(market) }
        }
        return markets
    }

    private func json(_ body: [UInt8]) -> Response {
        var response = Response(status: 200, contentType: MetadataAnswer.json, body: body)
        response.add("Cache-Control", "no-store")
        return response
    }
}
