import Caching
import JSON

/// What a user of the web client prefers. Kept for good in the `user` cache, as JSON in the web client's form.
public struct Preferences: Sendable, Equatable {
    /// A number that a user may set, from 1 to its cap.
    public struct Count: Sendable {
        public let name: String
        public let cap: Int
        let usual: Int

        /// In the order in which the web client lists them.
        public static let all = [
            Count(name: "max_search_results", cap: 100, usual: 20), Count(name: "max_top_tracks", cap: 50, usual: 15),
            Count(name: "max_albums_per_artist", cap: 100, usual: 50), Count(name: "max_trending_results", cap: 100, usual: 20),
            Count(name: "max_recommendations", cap: 100, usual: 20),
        ]
    }

    private var counts: [Int]
    public var showsExplicit = true
    public var markets: [Market] = []

    public init() { counts = Count.all.map(\.usual) }

    /// What was stored; the defaults for what is missing or unreadable.
    init(stored: [UInt8]) {
        self.init()
        guard let root = try? JSONDocument(stored).root else { return }
        for count in Count.all { root[count.name]?.integer.map { set(count, $0) } }
        showsExplicit = root["show_explicit"]?.bool ?? true
        markets = root["preferred_markets"]?.elements.compactMap { $0.string.flatMap { Market($0) } } ?? []
    }

    public subscript(count: Count) -> Int {
        zip(Count.all, counts).first { $0.0.name == count.name }?.1 ?? count.usual
    }

    /// Sets a number, clamped to what it may be.
    public mutating func set(_ count: Count, _ value: Int) {
        guard let place = Count.all.firstIndex(where: { $0.name == count.name }) else { return }
        counts[place] = min(max(value, 1), count.cap)
    }

    /// The web client's JSON.
    public func json(of user: Int) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("user_id", user)
            for count in Count.all { writer.member(count.name, self[count]) }
            writer.member("show_explicit", showsExplicit)
            writer.key("preferred_markets")
            writer.array { writer in for market in markets { writer.string(market.code) } }
        }
        return writer.bytes
    }
}

extension RecordStore {
    func preferences(of user: Int) throws(CacheError) -> Preferences {
        try caches.get(.user, Self.preferencesKey(user)).map { Preferences(stored: $0.entry.value) } ?? Preferences()
    }

    func changePreferences(of user: Int, _ change: (inout Preferences) -> Void) throws(CacheError) {
        _ = try caches.update(.user, Self.preferencesKey(user), keep: true, waits: false) { entry in
            var preferences = entry.map { Preferences(stored: $0.value) } ?? Preferences()
            change(&preferences)
            return preferences.json(of: user)
        }
    }

    fileprivate static func preferencesKey(_ user: Int) -> [UInt8] { Resource.key("preferences/\(user)") }
}

extension Preferences {
    /// Removes what a user chose. Answers whether there was anything.
    public static func forget(of user: Int, in caches: Caches) throws(CacheError) -> Bool {
        try caches.delete(.user, RecordStore.preferencesKey(user))
    }
}
