import Caching
import Platform
import Testing

@testable import Catalog

@Suite struct KnownObjectsTests {
    let house: House
    init() throws { house = try House() }

    func put(_ digit: Int, by artist: Int, popularity: Int? = nil, used: Bool = true) throws {
        let resource = Resource.object(.track, Sample.id(digit), market: nil)
        try house.learn(resource, Sample.track(digit, by: artist, more: popularity.map { #","popularity":\#($0)"# } ?? ""))
        if used { try house.used(resource) }
    }

    func ids(_ composed: Composed, _ list: String) throws -> [String?] {
        try composed.parsed()[list]?.elements.map { $0["spotify_id"]?.string } ?? []
    }

    @Test("Trending is what was asked for here, the most popular first, and costs no lookup when that is enough")
    func trending() throws {
        try put(1, by: 5, popularity: 10)
        try put(2, by: 5, popularity: 90)
        try put(3, by: 5, popularity: 99, used: false)
        let answer = try house.composed(TrendingQuestion(kind: .track, limit: 2))
        #expect(try ids(answer, "tracks") == [2, 1].map { Sample.id($0).text })
        #expect(answer.pending.isEmpty)
    }

    @Test("Where little is here, trending asks for at most two pages of a search, and is served without them")
    func trendingInAnEmptyHouse() throws {
        guard case .missing(let missing) = try house.answer(TrendingQuestion(kind: .album, limit: 50)) else { throw House.Unreadable() }
        #expect(missing.count <= 2)
        let answer = try house.composed(TrendingQuestion(kind: .album, limit: 50), isLast: true)
        #expect(!answer.pending.isEmpty)
        #expect(try ids(answer, "albums").isEmpty)
    }

    @Test("Recommendations are by the seeds' artists, without the seeds and without repeats")
    func recommendations() throws {
        try put(1, by: 5)
        try put(2, by: 5)
        try put(3, by: 6)
        let question = RecommendationsQuestion(artists: [Sample.id(5)], tracks: [Sample.id(1)], genres: [], limit: 1)
        #expect(try ids(try house.composed(question), "tracks") == [Sample.id(2).text])
        let none = try house.composed(RecommendationsQuestion(artists: [], tracks: [], genres: [], limit: 5))
        #expect(try ids(none, "tracks").count == 3)
    }

    @Test("A genre stands for the artists here who have it")
    func genres() throws {
        let artist = Resource.object(.artist, Sample.id(5), market: nil)
        try house.learn(artist, Sample.artist(5, genres: #""Swing""#))
        try house.used(artist)
        try put(1, by: 5)
        try put(3, by: 6)
        let question = RecommendationsQuestion(artists: [], tracks: [], genres: ["swing"], limit: 1)
        #expect(try ids(try house.composed(question), "tracks") == [Sample.id(1).text])
    }

    @Test("Home shows the artists who were asked for, then those of the tracks")
    func home() throws {
        try house.learn(.object(.artist, Sample.id(5), market: nil), Sample.artist(5))
        let used = Resource.object(.artist, Sample.id(6), market: nil)
        try house.learn(used, Sample.artist(6))
        try house.used(used)
        try put(1, by: 5)
        #expect(try ids(try house.composed(HomeQuestion()), "artists") == [6, 5].map { Sample.id($0).text })
    }

    @Test(
        "The year of an instant",
        arguments: [
            (0, 1970), (946_684_799_999, 1999), (946_684_800_000, 2000), (1_709_164_800_000, 2024), (1_798_761_599_999, 2026),
            (1_798_761_600_000, 2027),
        ] as [(Int64, Int64)])
    func year(_ instant: Int64, _ year: Int64) {
        #expect(TrendingQuestion.year(of: instant) == year)
    }

    @Test("Preferences are clamped, merged and kept")
    func preferences() throws {
        #expect(try house.catalog.preferences(of: 7) == Preferences())
        let faults = Monitor([CacheError?]())
        let note: @Sendable (CacheError?) -> Void = { fault in faults.update { $0.append(fault) } }
        let all = { (preferences: inout Preferences) in
            for count in Preferences.Count.all { preferences.set(count, 1000) }
            preferences.markets = [Market("se")!]
        }
        try house.catalog.changePreferences(of: 7, all, done: note)
        try house.catalog.changePreferences(of: 7, { $0.showsExplicit = false }, done: note)
        #expect(faults.wait(within: .seconds(10)) { $0.count == 2 ? $0 : nil } == [nil, nil])
        let text = String(decoding: try house.catalog.preferences(of: 7).json(of: 7), as: UTF8.self)
        #expect(
            text
                == #"{"user_id":7,"max_search_results":100,"max_top_tracks":50,"max_albums_per_artist":100,"max_trending_results":100,"max_recommendations":100,"show_explicit":false,"preferred_markets":["SE"]}"#
        )
        #expect(try house.catalog.preferences(of: 8) == Preferences())
    }
}
