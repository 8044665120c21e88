import Caching
import FastCGI
import Foundation

/// The dashboard's answers, member by member as the web client reads them.
enum DashboardReport {
    static func response(_ answer: some Encodable) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let body = try? encoder.encode(answer) else { return ErrorFormat.plain.error(500, "The figures cannot be shown") }
        var response = Response(status: 200, contentType: ErrorFormat.json, body: Array(body))
        response.add("Cache-Control", "no-store")
        return response
    }

    struct Health: Encodable {
        let status: String
        let connected: Bool
        let latency_ms: Double
        let message: String

        init(_ health: StoreHealth?) {
            connected = health?.isConnected ?? false
            status = health == nil ? "disabled" : connected ? "healthy" : "unhealthy"
            latency_ms = Double(health?.latency.nanosecondsOfDashboard ?? 0) / 1_000_000
            message = health?.message ?? "DRAGONFLYDB_HOST is not set; SQLite serves alone"
        }
    }

    struct Stats: Encodable {
        struct Memory: Encodable { let used_memory_human, used_memory_peak_human: String }
        struct Clients: Encodable { let connected_clients: Int }
        struct Database: Encodable { let keys: Int }
        struct Keyspace: Encodable { let db0: Database }
        struct Server: Encodable { let uptime_in_seconds: Int }

        let memory: Memory
        let clients: Clients
        let keyspace: Keyspace
        let server: Server

        /// - Parameter info: fields of INFO; absent ones count as nothing.
        init(_ info: [String: String]) {
            memory = Memory(
                used_memory_human: info["used_memory_human"] ?? "0B", used_memory_peak_human: info["used_memory_peak_human"] ?? "0B")
            clients = Clients(connected_clients: info["connected_clients"].flatMap(Int.init) ?? 0)
            keyspace = Keyspace(db0: Database(keys: Self.keys(info["db0"])))
            server = Server(uptime_in_seconds: info["uptime_in_seconds"].flatMap(Int.init) ?? 0)
        }

        /// `keys=12,expires=3,...`
        private static func keys(_ line: String?) -> Int {
            let fields = (line ?? "").split(separator: ",").map { $0.split(separator: "=") }
            return fields.first { $0.count == 2 && $0[0] == "keys" }.flatMap { Int($0[1]) } ?? 0
        }
    }

    struct Services: Encodable {
        struct Service: Encodable {
            let name: String
            let key_count: Int
            let hit_rate: Double
            let last_updated: String
        }

        let services: [Service]

        init(_ statistics: CacheStatistics) {
            services = statistics.services.map {
                Service(
                    name: $0.cache.rawValue, key_count: $0.entries, hit_rate: ($0.counters.hitRate * 10).rounded() / 10,
                    last_updated: Date(timeIntervalSince1970: Double($0.lastUpdated ?? 0) / 1000).formatted(.iso8601))
            }
        }
    }

    struct Keys: Encodable {
        struct Namespace: Encodable {
            let namespace: String
            let count: Int
        }

        let keys: [Namespace]

        init(_ caches: Caches) throws {
            keys = try CacheName.allCases.flatMap { cache in
                try caches.namespaces(cache).map { namespace in
                    let name = String(decoding: namespace.name, as: UTF8.self)
                    return Namespace(namespace: name.isEmpty ? cache.rawValue : "\(cache.rawValue):\(name)", count: namespace.entries)
                }
            }
        }
    }

    struct Cleared: Encodable {
        let success = true
        let message: String
        let cleared_count: Int?

        init(message: String, count: Int?) {
            self.message = message
            cleared_count = count
        }

        private enum CodingKeys: CodingKey { case success, message, cleared_count }
    }
}

extension Duration {
    fileprivate var nanosecondsOfDashboard: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
