import Caching
import FastCGI
import Foundation
import Logging
import Platform
import Sessions
import Spotify

/// The program's settings, read from the environment; docs/settings.md describes each.
public struct Settings: Sendable {
    public enum MetadataAuth: String, CaseIterable, Sendable { case off, session }
    public enum Registration: String, CaseIterable, Sendable { case admin, open }
    public enum LogFormat: String, CaseIterable, Sendable { case text, json }
    public enum Switch: String, CaseIterable, Sendable { case off, on }

    public var listen: ListenAddress
    public var socketMode: mode_t
    public var socketGroup: String?
    public var dataDirectory: String
    public var workers: Int
    public var threads: Int
    public var missWait: Duration
    /// Not above `missWait`.
    public var mirrorWait: Duration
    public var queueLimit: Int
    public var metadataAuth: MetadataAuth
    public var adminToken: Secret?
    /// Opens the four caches below `/cache/` and nothing else.
    public var cacheToken: Secret?
    public var registration: Registration
    public var adoption: TokenAdoption
    public var publicURL: BaseURL?
    public var corsOrigins: AllowedOrigins
    public var logLevel: Logger.Level
    public var logFormat: LogFormat
    public var swingmusicDirectory: String?
    public var dragonfly: DragonflyConfiguration?
    public var credentials: SpotifyCredentials?
    public var spotify: SpotifyEndpoints
    public var minInterval: Duration
    public var callsPerHour: Int
    public var market: String?
    public var fillRemovedFields: Bool
    public var ttl: CacheLifetimes
    public var durableCaches: Set<CacheName>

    /// - Parameter environment: variable names and values.
    /// - Throws: the first setting that does not parse.
    public init(environment: [String: String]) throws(SettingError) {
        let reader = SettingsReader(environment: environment)
        listen = try Self.listenAddress(reader)
        socketMode = try Self.mode(reader)
        socketGroup = try reader.text(.socketGroup)
        dataDirectory = try reader.text(.dataDirectory) ?? "/var/lib/swingmusic-fcgi"
        workers = try reader.number(.workers, default: min(256, Processors.available), in: 1...256)
        threads = try reader.number(.threads, default: 4, in: 1...64)
        missWait = try reader.duration(.missWait, default: .seconds(25))
        mirrorWait = min(missWait, try reader.duration(.mirrorWait, default: .seconds(4)))
        queueLimit = try reader.number(.queueLimit, default: 1000, in: 1...1_000_000)
        swingmusicDirectory = try reader.text(.swingmusicDirectory)
        metadataAuth = try reader.choice(.metadataAuth, default: swingmusicDirectory == nil ? .off : .session)
        adminToken = try reader.text(.adminToken).map(Secret.init)
        cacheToken = try reader.text(.cacheToken).map(Secret.init)
        registration = try reader.choice(.registration, default: .admin)
        adoption = try reader.choice(.adoptTokens, default: .safe)
        publicURL = try reader.text(.publicURL) == nil ? nil : BaseURL(reader.url(.publicURL, default: ""))
        corsOrigins = try Self.origins(reader)
        logLevel = try reader.choice(.logLevel, default: .info)
        logFormat = try reader.choice(.logFormat, default: .text)
        dragonfly = try Self.dragonfly(reader)
        credentials = try Self.credentials(reader)
        spotify = try Self.endpoints(reader)
        minInterval = try reader.duration(.spotifyMinInterval, default: .seconds(2), atLeast: .zero)
        callsPerHour = try reader.number(.spotifyCallsPerHour, default: 1000, in: 1...1_000_000)
        market = try Self.market(reader)
        fillRemovedFields = try reader.choice(.spotifyFillRemovedFields, default: Switch.on) == .on
        ttl = try Self.ttls(reader)
        durableCaches = try Self.durableCaches(reader)
    }

    /// What a self-hoster should know at the start, a line each.
    public var warnings: [String] {
        var lines: [String] = []
        if minInterval < .seconds(2) { lines.append("SPOTIFY_MIN_INTERVAL is shorter than 2s: Spotify may punish this with a long ban") }
        if callsPerHour > 1000 { lines.append("SPOTIFY_CALLS_PER_HOUR is more than 1000: Spotify may punish this with a long ban") }
        if credentials == nil { lines.append("SPOTIFY_CLIENT_ID is not set: what is cached is served, nothing new is looked up") }
        return lines
    }

    private static func listenAddress(_ reader: SettingsReader) throws(SettingError) -> ListenAddress {
        let text = try reader.text(.listen) ?? "/run/swingmusic-fcgi/fcgi.sock"
        guard let address = ListenAddress(text) else {
            throw reader.wrong(.listen, text, "is neither the absolute path of a socket nor host:port")
        }
        return address
    }

    private static func mode(_ reader: SettingsReader) throws(SettingError) -> mode_t {
        let text = try reader.text(.socketMode) ?? "0660"
        guard let mode = mode_t(text, radix: 8), mode <= 0o777 else {
            throw reader.wrong(.socketMode, text, "is not an octal mode such as 0660")
        }
        return mode
    }

    private static func origins(_ reader: SettingsReader) throws(SettingError) -> AllowedOrigins {
        let given = try reader.text(.corsOrigins) ?? ""
        let parts = given.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        if parts == ["*"] { return .anyone }
        var origins: [BaseURL] = []
        for text in parts {
            if text == "*" { throw reader.wrong(.corsOrigins, given, "has '*' beside other origins; it stands alone") }
            guard let origin = BaseURL(text) else {
                throw reader.wrong(.corsOrigins, text, "is not an origin such as https://music.example")
            }
            origins.append(origin)
        }
        return .named(origins)
    }

    private static func dragonfly(_ reader: SettingsReader) throws(SettingError) -> DragonflyConfiguration? {
        let port = try reader.number(.dragonflyPort, default: 6379, in: 1...65535)
        let database = try reader.number(.dragonflyDatabase, default: 0, in: 0...65535)
        let password = try reader.text(.dragonflyPassword)
        let timeout = try reader.duration(.dragonflyTimeout, default: .milliseconds(250))
        guard let host = try reader.text(.dragonflyHost) else { return nil }
        return DragonflyConfiguration(host: host, port: UInt16(port), database: database, password: password, timeout: timeout)
    }

    private static func credentials(_ reader: SettingsReader) throws(SettingError) -> SpotifyCredentials? {
        switch (try reader.text(.spotifyClientID), try reader.text(.spotifyClientSecret)) {
        case (let id?, let secret?): return SpotifyCredentials(clientID: id, clientSecret: secret)
        case (nil, nil): return nil
        case (nil, _): throw SettingError(name: SettingName.spotifyClientID.rawValue, problem: "is not set, but SPOTIFY_CLIENT_SECRET is")
        case (_, nil): throw SettingError(name: SettingName.spotifyClientSecret.rawValue, problem: "is not set, but SPOTIFY_CLIENT_ID is")
        }
    }

    private static func endpoints(_ reader: SettingsReader) throws(SettingError) -> SpotifyEndpoints {
        SpotifyEndpoints(
            apiURL: try reader.url(.spotifyAPIURL, default: "https://api.spotify.com"),
            accountsURL: try reader.url(.spotifyAccountsURL, default: "https://accounts.spotify.com"),
            timeout: try reader.duration(.spotifyTimeout, default: .seconds(10), atLeast: .milliseconds(100)))
    }

    private static func market(_ reader: SettingsReader) throws(SettingError) -> String? {
        guard let text = try reader.text(.spotifyMarket) else { return nil }
        guard text.utf8.count == 2, text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
            throw reader.wrong(.spotifyMarket, text, "is not a country such as SE (ISO 3166-1 alpha-2)")
        }
        return text
    }

    private static func ttls(_ reader: SettingsReader) throws(SettingError) -> CacheLifetimes {
        let usual = CacheLifetimes()
        return CacheLifetimes(
            spotify: try reader.duration(.spotifyCacheTTL, default: usual.spotify, atLeast: .seconds(1)),
            session: try reader.duration(.sessionCacheTTL, default: usual.session, atLeast: .seconds(1)),
            user: try reader.duration(.userCacheTTL, default: usual.user, atLeast: .seconds(1)),
            temp: try reader.duration(.tempCacheTTL, default: usual.temp, atLeast: .seconds(1)))
    }

    /// `user` always; it cannot be had again.
    private static func durableCaches(_ reader: SettingsReader) throws(SettingError) -> Set<CacheName> {
        let given = try reader.text(.durableCaches) ?? ""
        var caches: Set<CacheName> = [.user]
        for name in given.split(separator: ",").map({ $0.trimmingCharacters(in: .whitespaces) }) {
            guard let cache = CacheName(rawValue: name), cache != .spotify else {
                throw reader.wrong(.durableCaches, given, "is not a list of user, session and temp")
            }
            caches.insert(cache)
        }
        return caches
    }

    /// What must not be shown anywhere.
    var secretTexts: [String?] { [credentials?.clientSecret, dragonfly?.password] }
}
