import Caching
import FastCGI
import JSON
import Platform

/// The dashboard's answers, member by member as the web client reads them.
enum DashboardReport {
    static func response(_ answer: JSONValue) -> Response {
        var response = Response(status: 200, contentType: ErrorFormat.json, body: JSONWriter.bytes(of: answer, style))
        response.add("Cache-Control", "no-store")
        return response
    }

    private static let style = JSONWriter.Style(escapes: [.short, .slash], sortsNames: true)

    static func health(_ health: StoreHealth?) -> JSONValue {
        let isConnected = health?.isConnected ?? false
        return [
            "status": health == nil ? "disabled" : isConnected ? "healthy" : "unhealthy", "connected": .bool(isConnected),
            "latency_ms": .double(Double(health?.latency.wholeNanoseconds ?? 0) / 1_000_000),
            "message": .string(health?.message ?? "DRAGONFLYDB_HOST is not set; SQLite serves alone"),
        ]
    }

    /// - Parameter info: fields of INFO; absent ones count as nothing.
    static func stats(_ info: [String: String]) -> JSONValue {
        func text(_ field: String) -> JSONValue { .string(info[field] ?? "0B") }
        func number(_ field: String) -> JSONValue { .integer(info[field].flatMap { Int($0) } ?? 0) }
        return [
            "memory": ["used_memory_human": text("used_memory_human"), "used_memory_peak_human": text("used_memory_peak_human")],
            "clients": ["connected_clients": number("connected_clients")],
            "keyspace": ["db0": ["keys": .integer(keys(of: info["db0"]))]],
            "server": ["uptime_in_seconds": number("uptime_in_seconds")],
        ]
    }

    /// `keys=12,expires=3,...`
    private static func keys(of line: String?) -> Int {
        let fields = (line ?? "").split(separator: ",").map { $0.split(separator: "=") }
        return fields.first { $0.count == 2 && $0[0] == "keys" }.flatMap { Int($0[1]) } ?? 0
    }

    static func services(_ statistics: CacheStatistics) -> JSONValue {
        [
            "services": .array(
                statistics.services.map { service in
                    [
                        "name": .string(service.cache.rawValue), "key_count": .integer(service.entries),
                        "hit_rate": .double((service.counters.hitRate * 10).rounded() / 10),
                        "last_updated": .string(WallTime(milliseconds: service.lastUpdated ?? 0).text),
                    ]
                })
        ]
    }

    static func keys(_ caches: Caches) throws -> JSONValue {
        let namespaces = try CacheName.allCases.flatMap { cache in
            try caches.namespaces(cache).map { namespace -> JSONValue in
                let name = String(decoding: namespace.name, as: UTF8.self)
                return [
                    "namespace": .string(name.isEmpty ? cache.rawValue : "\(cache.rawValue):\(name)"), "count": .integer(namespace.entries),
                ]
            }
        }
        return ["keys": .array(namespaces)]
    }

    static func cleared(message: String, count: Int?) -> JSONValue {
        .object(["success": true, "message": .string(message), "cleared_count": count.map(JSONValue.integer)])
    }
}
