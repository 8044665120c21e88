import Caching
import Foundation
import Logging
import Platform
import RateLimiting
import Spotify
import Testing

@testable import Catalog

/// The connected account's token, as two workers look at it by a clock that stands until it is moved.
@Suite struct AccountTokenProviderTests {
    private let folder: String
    private let clock = ManualClock(wall: 1_795_000_000_000)
    private let credentials = SpotifyCredentials(clientID: "id", clientSecret: "secret")
    private let lines = Lines()

    /// Token requests that wait to be answered.
    private final class Asked: SpotifyCalls {
        var waiting: [(Result<AccessToken, SpotifyError>) -> Void] = []
        let active = 0
        func begin(gate: @escaping () -> Gate, sent: @escaping () -> Void, completion: @escaping (CallResult) -> Void) {}
        func requestToken(_: SpotifyCredentials, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {}
        func requestToken(_: AccountTokenRequest, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {
            waiting.append(completion)
        }
        func poll(for: Duration, wake: EventFD?) {}

        func answer(_ result: Result<AccessToken, SpotifyError>) { for completion in waiting.removingAll() { completion(result) } }
    }

    /// Keeps every line that is logged.
    private struct Lines: LogHandler {
        private let all = Locked<[String]>([])  // guards what was logged
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { all.withLock { $0.append("\(event.message)") } }
        func count(_ words: String) -> Int { all.withLock { lines in lines.count { $0.contains(words) } } }
    }

    init() throws {
        folder = NSTemporaryDirectory() + "account-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private var file: AccountFile { AccountFile(folder: folder) }

    private func provider() throws -> AccountTokenProvider {
        let log = Logger(label: "test") { _ in lines }
        let limiter = try FileRateLimiter(
            path: folder + "/limiter.db", rateLimit: RateLimit(interval: .seconds(2), callsPerWindow: 1000), queueLimit: 100,
            leaseLifetime: .seconds(15), clock: clock, log: log)
        return AccountTokenProvider(file: file, credentials: credentials, rateLimiter: limiter, clock: clock, log: log)
    }

    private func connect(daysAgo: Int64 = 0, access: String? = nil) throws {
        let tokens = AccountTokens(refresh: "refresh 0", access: access, accessEndsAt: (clock.wall + .seconds(3600)).milliseconds)
        try file.keep(tokens, consentedAt: (clock.wall - .seconds(daysAgo * 86_400)).milliseconds, credentials)
    }

    private func words(_ standing: AccountTokenProvider.Standing) -> String {
        switch standing {
        case .absent: "absent"
        case .ready(let token): token
        case .renewing: "renewing"
        case .unready: "unready"
        }
    }

    @Test("One of the workers asks for a token, the other waits for it; a new refresh token is kept, an old one stays")
    func renewal() throws {
        let (one, other) = (try provider(), try provider())
        let (asked, othersAsked) = (Asked(), Asked())
        #expect(try words(one.stand(asked)) == "absent")
        try connect()
        #expect(try words(one.stand(asked)) == "renewing" && words(other.stand(othersAsked)) == "renewing")
        #expect(asked.waiting.count == 1 && othersAsked.waiting.isEmpty)
        asked.answer(.success(AccessToken(token: "a", expiresIn: .seconds(3600), refreshToken: "refresh 1")))
        #expect(try words(one.stand(asked)) == "a" && words(other.stand(othersAsked)) == "a")
        #expect(file.tokens(credentials)?.refresh == "refresh 1")
        clock.advance(.seconds(3541))
        #expect(try words(other.stand(othersAsked)) == "renewing")
        othersAsked.answer(.success(AccessToken(token: "b", expiresIn: .seconds(3600))))
        #expect(try words(one.stand(asked)) == "b" && file.tokens(credentials)?.refresh == "refresh 1")
    }

    @Test("invalid_grant is final: the token is put away and never tried again, by anybody")
    func final() throws {
        let (one, other) = (try provider(), try provider())
        let asked = Asked()
        try connect()
        _ = try one.stand(asked)
        asked.answer(.failure(.grantRefused("Refresh token expired")))
        #expect(try words(one.stand(asked)) == "absent" && words(other.stand(asked)) == "absent" && asked.waiting.isEmpty)
        #expect(file.standing()?.endReason == "Refresh token expired" && file.tokens(credentials) == nil)
        #expect(lines.count("run 'swingmusic-fcgi connect' again") == 1)
    }

    @Test("A service that fails, or an API that refuses each token, is left alone for a while, by all")
    func pauses() throws {
        let (one, other) = (try provider(), try provider())
        let asked = Asked()
        try connect()
        _ = try one.stand(asked)
        asked.answer(.failure(.timedOut))
        #expect(try words(one.stand(asked)) == "unready" && words(other.stand(asked)) == "unready" && asked.waiting.isEmpty)
        clock.advance(.seconds(61))
        _ = try one.stand(asked)
        asked.answer(.success(AccessToken(token: "a", expiresIn: .seconds(3600))))
        #expect(try one.refuse("a"))
        _ = try one.stand(asked)
        asked.answer(.success(AccessToken(token: "b", expiresIn: .seconds(3600))))
        #expect(try words(one.stand(asked)) == "b" && !(one.refuse("b")))
        #expect(try words(one.stand(asked)) == "unready" && asked.waiting.isEmpty)
    }

    @Test("The end of the consent is told a month ahead, with its day, once a day")
    func warning() throws {
        let one = try provider()
        try connect(daysAgo: 140, access: "a")
        #expect(try words(one.stand(Asked())) == "a" && lines.count("consent ends") == 0)
        try connect(daysAgo: 160, access: "a")
        for _ in 0..<3 { _ = try one.stand(Asked()) }
        #expect(lines.count("consent ends on \(file.standing()?.endDay ?? "-")") == 1)
        clock.advance(.seconds(86_401))
        _ = try one.stand(Asked())
        #expect(lines.count("consent ends") == 2)
    }

    // MARK: What its owner keeps from others

    private func connectPrivately() throws -> Int64 {
        let tokens = AccountTokens(refresh: "refresh 0", access: "a", accessEndsAt: .max)
        try file.connect(tokens, consentedAt: clock.wall.milliseconds, isPrivate: true, credentials)
        return clock.wall.milliseconds
    }

    private func list() throws -> (id: SpotifyID, line: ParsedAnswer.Line) {
        let id = try #require(SpotifyID("37i9dQZF1DXcBWIGoYBM5M"))
        return (id, ParsedAnswer.Line(.kept(.object(.playlist, id, market: nil)), Record(body: Array("{}".utf8))))
    }

    @Test("When the six months are over nothing private is shown or kept, and what was is removed, whatever Spotify says of the consent")
    func outlived() throws {
        let (id, line) = try list()
        let consent = try connectPrivately()
        let (records, one) = (PrivateRecords(file, ttl: .seconds(400 * 86_400), clock: clock), try provider())
        try records.keep(line, under: consent)
        _ = try one.stand(Asked())
        let end = try #require(file.standing()?.endsAt)
        clock.advance(.milliseconds(end - consent - 1))
        _ = try one.newConsent()
        #expect(records.holds(id) && records.find(line.resource) != nil && one.isPrivate)
        clock.advance(.milliseconds(1))
        #expect(!records.holds(id) && records.find(line.resource) == nil && !one.isPrivate)
        #expect(throws: CacheError.self) { try records.keep(line, under: consent) }
        #expect(!Files.names(in: file.privateFolder(consentedAt: consent)).isEmpty)
        _ = try one.newConsent()
        #expect(!Files.names(in: folder).contains { $0.hasPrefix("private-") } && file.standing()?.isPrivate == true)
    }

    @Test("What a consent's token brought is kept under that one alone, and says nothing of the next")
    func raced() throws {
        let (id, line) = try list()
        let (records, one) = (PrivateRecords(file, ttl: .seconds(3600), clock: clock), try provider())
        let former = try connectPrivately()
        _ = try one.stand(Asked())
        #expect(one.consentedAt == former && one.isCurrent(former) && one.isPrivate)
        clock.advance(.seconds(1))
        let current = try connectPrivately()
        #expect(!one.isCurrent(former) && one.isCurrent(current))
        #expect(throws: CacheError.self) { try records.keep(line, under: former) }
        try one.noteKept(id, under: former)
        try one.noteOpen(id, under: former)
        #expect(try !records.holds(id) && !one.isKept(id) && !one.isOpen(id))
        try records.keep(line, under: current)
        try one.noteOpen(id, under: current)
        #expect(try records.holds(id) && one.isOpen(id))
    }
}

extension Array {
    fileprivate mutating func removingAll() -> [Element] {
        defer { self = [] }
        return self
    }
}
