import Caching
import FastCGI
import Foundation
import Logging
import Platform
import RESP
import Sessions
import Spotify

/// The program's settings, read from the environment; docs/settings.md describes each.
public struct Settings: Sendable {
    public enum MetadataAuth: String, CaseIterable, Sendable { case off, session, nginx }
    public enum Registration: String, CaseIterable, Sendable { case admin, open }
    public enum LogFormat: String, CaseIterable, Sendable { case text, json }
    /// Who sees what the connected account's owner keeps from others.
    public enum PrivatePlaylists: String, CaseIterable, Sendable { case admin, users }
    public enum Switch: String, CaseIterable, Sendable { case off, on }

    /// At least one.
    public var listen: [ListenAddress]
    /// Who may connect by TCP; nil: everybody.
    public var peers: [AddressRange]?
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
    /// Whether the status page shows pictures from Spotify's image host.
    public var statusCovers: Bool
    public var logLevel: Logger.Level
    public var logFormat: LogFormat
    public var swingmusicDirectory: String?
    public var dragonfly: DragonflyConfiguration?
    /// The store over which hosts share the account's pace; nil: this host is alone.
    public var sharedStore: RedisEndpoint?
    /// This host's name among those.
    public var hostName: String
    public var credentials: SpotifyCredentials?
    public var spotify: SpotifyEndpoints
    public var minInterval: Duration
    public var callsPerHour: Int
    public var market: String?
    public var fillRemovedFields: Bool
    /// nil: nobody.
    public var privatePlaylists: PrivatePlaylists?
    public var ttl: CacheLifetimes
    public var durableCaches: Set<CacheName>

    /// What is set for the running program and was not told to this process, which commands alone can meet: secrets are not.
    public var withheld: Set<SettingName> = []

    /// - Parameter environment: variable names and values.
    /// - Throws: all settings that do not parse.
    public init(environment: [String: String]) throws(SettingErrors) {
        let (settings, errors) = Self.reading(environment)
        guard errors.isEmpty else { throw SettingErrors(all: errors) }
        self = settings
    }

    /// The settings, with the default in the place of each that does not parse, and those.
    public static func reading(_ environment: [String: String]) -> (settings: Settings, errors: [SettingError]) {
        var reader = SettingsReader(environment: environment)
        let settings = Settings(&reader)
        return (settings, reader.errors)
    }

    private init(_ reader: inout SettingsReader) {
        listen = Self.listenAddresses(&reader)
        peers = Self.peers(&reader, listen)
        socketMode = Self.mode(&reader)
        socketGroup = reader.text(.socketGroup)
        dataDirectory = reader.text(.dataDirectory) ?? Self.usualDataDirectory
        workers = reader.number(.workers, default: min(256, Processors.available), in: 1...256)
        threads = reader.number(.threads, default: 4, in: 1...64)
        missWait = reader.duration(.missWait, default: .seconds(25))
        mirrorWait = min(missWait, reader.duration(.mirrorWait, default: .seconds(4)))
        queueLimit = reader.number(.queueLimit, default: 1000, in: 1...1_000_000)
        swingmusicDirectory = reader.text(.swingmusicDirectory)
        metadataAuth = Self.metadataAuth(&reader, swingmusicDirectory)
        adminToken = reader.text(.adminToken).map(Secret.init)
        cacheToken = reader.text(.cacheToken).map(Secret.init)
        registration = reader.choice(.registration, default: .admin)
        adoption = reader.choice(.adoptTokens, default: .safe)
        publicURL = reader.url(.publicURL)
        corsOrigins = Self.origins(&reader)
        statusCovers = reader.choice(.statusCovers, default: Switch.off) == .on
        logLevel = reader.choice(.logLevel, default: .info)
        logFormat = reader.choice(.logFormat, default: .text)
        dragonfly = Self.dragonfly(&reader)
        credentials = Self.credentials(&reader)
        spotify = Self.endpoints(&reader)
        minInterval = reader.duration(.spotifyMinInterval, default: .seconds(2), atLeast: .zero)
        callsPerHour = reader.number(.spotifyCallsPerHour, default: 1000, in: 1...1_000_000)
        market = Self.market(&reader)
        fillRemovedFields = reader.choice(.spotifyFillRemovedFields, default: Switch.on) == .on
        sharedStore = Self.sharedStore(&reader)
        hostName =
            reader.parsed(.hostName, "is not a name of letters, digits, '.', '-' and '_', 64 at most") { Self.hostName($0) }
            ?? Self.hostName(ProcessInfo.processInfo.hostName) ?? "host"
        if sharedStore != nil, minInterval < Self.leastSharedInterval {
            reader.note(SettingName.spotifyMinInterval.rawValue, "is too short for several hosts: 100ms is the least")
        }
        privatePlaylists = Self.privatePlaylists(&reader, metadataAuth)
        ttl = Self.ttls(&reader)
        durableCaches = Self.durableCaches(&reader)
    }

    /// Where the program listens unless it is said.
    public static let usualListen = ListenAddress.unix(path: "/run/swingmusic-fcgi/fcgi.sock")

    /// Where the data folder is unless it is said.
    public static let usualDataDirectory = "/var/lib/swingmusic-fcgi"

    /// Whether the program may ask Spotify, as far as is known.
    public var hasCredentials: Bool { credentials != nil || withheld.contains(.spotifyClientSecret) }

    /// What a self-hoster should know at the start, a line each.
    public var warnings: [String] {
        var lines: [String] = []
        if minInterval < .seconds(2) { lines.append("SPOTIFY_MIN_INTERVAL is shorter than 2s: Spotify may punish this with a long ban") }
        if callsPerHour > 1000 { lines.append("SPOTIFY_CALLS_PER_HOUR is more than 1000: Spotify may punish this with a long ban") }
        if credentials == nil { lines.append("SPOTIFY_CLIENT_ID is not set: what is cached is served, nothing new is looked up") }
        return lines
    }

    /// Every caller is believed about who asks; so what is opened beside another address is opened to a private network alone.
    private static func listenAddresses(_ reader: inout SettingsReader) -> [ListenAddress] {
        guard let given = reader.text(.listen) else { return [usualListen] }
        let texts = ListenAddress.texts(of: given)
        var addresses: [ListenAddress] = []
        for text in texts {
            guard let address = ListenAddress(text) else {
                return reader.wrong(.listen, text, "is neither the absolute path of a socket nor host:port", [usualListen])
            }
            if addresses.contains(address) { return reader.wrong(.listen, text, "stands there twice", [usualListen]) }
            if texts.count > 1, address.isPrivate == false {
                return reader.wrong(.listen, text, "\(ListenError.isPublic); name this host's address in a private network", [usualListen])
            }
            addresses.append(address)
        }
        if addresses.count(where: \.isUnix) > 1 { return reader.wrong(.listen, given, "names more than one socket's path", [usualListen]) }
        guard addresses.count <= ListeningSocket.most else {
            return reader.wrong(.listen, given, "has more than \(ListeningSocket.most) addresses", [usualListen])
        }
        return addresses
    }

    private static func peers(_ reader: inout SettingsReader, _ listen: [ListenAddress]) -> [AddressRange]? {
        guard let given = reader.text(.peers) else {
            if listen.count > 1, listen.contains(where: { !$0.isUnix }) {
                let words = "is not set, but \(SettingName.listen.rawValue) has TCP beside another address"
                reader.note(SettingName.peers.rawValue, "\(words); name the hosts that may connect, as in 10.0.0.2")
            }
            return nil
        }
        var ranges: [AddressRange] = []
        for text in ListenAddress.texts(of: given) {
            guard let range = AddressRange(text) else {
                return reader.wrong(.peers, text, "is neither an address nor a network such as 10.0.0.0/24", nil)
            }
            ranges.append(range)
        }
        return ranges
    }

    private static func metadataAuth(_ reader: inout SettingsReader, _ folder: String?) -> MetadataAuth {
        let choice = reader.choice(.metadataAuth, default: folder == nil ? MetadataAuth.off : .session)
        if choice == .nginx, folder != nil {
            let words = "is nginx, but \(SettingName.swingmusicDirectory.rawValue) is set: this host knows the sessions itself"
            reader.note(SettingName.metadataAuth.rawValue, "\(words); say session here, or set no folder")
        }
        return choice
    }

    private static func mode(_ reader: inout SettingsReader) -> mode_t {
        reader.parsed(.socketMode, "is not an octal mode such as 0660") { text in
            mode_t(text, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
        } ?? 0o660
    }

    private static func origins(_ reader: inout SettingsReader) -> AllowedOrigins {
        let given = reader.text(.corsOrigins) ?? ""
        let parts = given.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        if parts == ["*"] { return .anyone }
        var origins: [BaseURL] = []
        for text in parts {
            if text == "*" { return reader.wrong(.corsOrigins, given, "has '*' beside other origins; it stands alone", .named([])) }
            guard let origin = BaseURL(text) else {
                return reader.wrong(.corsOrigins, text, "is not an origin such as https://music.example", .named([]))
            }
            origins.append(origin)
        }
        return .named(origins)
    }

    private static func dragonfly(_ reader: inout SettingsReader) -> DragonflyConfiguration? {
        let port = reader.number(.dragonflyPort, default: 6379, in: 1...65535)
        let database = reader.number(.dragonflyDatabase, default: 0, in: 0...65535)
        let password = reader.text(.dragonflyPassword)
        let timeout = reader.duration(.dragonflyTimeout, default: .milliseconds(250))
        guard let host = reader.text(.dragonflyHost) else { return nil }
        return DragonflyConfiguration(host: host, port: UInt16(port), database: database, password: password, timeout: timeout)
    }

    /// A turn has to be won in a tenth of the interval.
    private static let leastSharedInterval = Duration.milliseconds(100)

    /// `host:port`, a host alone, `[address]:port`, or `unix:` and a path.
    private static func sharedStore(_ reader: inout SettingsReader) -> RedisEndpoint? {
        let password = reader.text(.sharedStorePassword)
        let form = "is neither host:port nor unix:/path"
        return reader.parsed(.sharedStore, form) { text -> RedisEndpoint? in
            var endpoint = RedisEndpoint(host: text, password: password, timeout: .seconds(1))
            if text.hasPrefix("unix:") { return text.hasPrefix("unix:/") ? endpoint : nil }
            let isBracketed = text.hasPrefix("[")
            guard let cut = text.lastIndex(of: ":"), isBracketed ? text[..<cut].hasSuffix("]") : true else {
                return isBracketed || text.contains("/") ? nil : endpoint
            }
            guard let port = UInt16(text[text.index(after: cut)...]), port > 0 else { return nil }
            endpoint.host = isBracketed ? String(text[..<cut].dropFirst().dropLast()) : String(text[..<cut])
            endpoint.port = port
            return endpoint.host.isEmpty || endpoint.host.contains("/") || (!isBracketed && endpoint.host.contains(":")) ? nil : endpoint
        }
    }

    private static func hostName(_ text: String) -> String? { text.isHostName ? text : nil }

    private static func credentials(_ reader: inout SettingsReader) -> SpotifyCredentials? {
        let known = reader.errors.count
        let (id, secret) = (reader.text(.spotifyClientID), reader.text(.spotifyClientSecret))
        if let id, let secret { return SpotifyCredentials(clientID: id, clientSecret: secret) }
        // A half that is there and cannot be read was said already.
        guard reader.errors.count == known else { return nil }
        let (idName, secretName) = (SettingName.spotifyClientID.rawValue, SettingName.spotifyClientSecret.rawValue)
        if secret != nil { reader.note(idName, "is not set, but \(secretName) is; set both, or neither") }
        if id != nil { reader.note(secretName, "is not set, but \(idName) is; set both, or neither") }
        return nil
    }

    private static func endpoints(_ reader: inout SettingsReader) -> SpotifyEndpoints {
        SpotifyEndpoints(
            apiURL: reader.url(.spotifyAPIURL)?.text ?? "https://api.spotify.com",
            accountsURL: reader.url(.spotifyAccountsURL)?.text ?? "https://accounts.spotify.com",
            timeout: reader.duration(.spotifyTimeout, default: .seconds(10), atLeast: .milliseconds(100)))
    }

    private static func market(_ reader: inout SettingsReader) -> String? {
        reader.parsed(.spotifyMarket, "is not a country such as SE (ISO 3166-1 alpha-2)") { text in
            text.utf8.count == 2 && text.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? text : nil
        }
    }

    private static func privatePlaylists(_ reader: inout SettingsReader, _ metadataAuth: MetadataAuth) -> PrivatePlaylists? {
        let name = SettingName.spotifyPrivatePlaylists
        guard let choice = reader.parsed(name, "is none of: admin, users", { PrivatePlaylists(rawValue: $0) }) else { return nil }
        guard metadataAuth == .session else {
            let open = SettingName.metadataAuth.rawValue
            return reader.wrong(name, choice.rawValue, "needs sessions of this host: set \(open)=session, or unset this", nil)
        }
        return choice
    }

    private static func ttls(_ reader: inout SettingsReader) -> CacheLifetimes {
        let usual = CacheLifetimes()
        return CacheLifetimes(
            spotify: reader.duration(.spotifyCacheTTL, default: usual.spotify, atLeast: .seconds(1)),
            session: reader.duration(.sessionCacheTTL, default: usual.session, atLeast: .seconds(1)),
            user: reader.duration(.userCacheTTL, default: usual.user, atLeast: .seconds(1)),
            temp: reader.duration(.tempCacheTTL, default: usual.temp, atLeast: .seconds(1)))
    }

    /// `user` always; it cannot be had again.
    private static func durableCaches(_ reader: inout SettingsReader) -> Set<CacheName> {
        reader.parsed(.durableCaches, "is not a list of user, session and temp") { given -> Set<CacheName>? in
            let names = given.split(separator: ",").map { CacheName(rawValue: $0.trimmingCharacters(in: .whitespaces)) }
            return names.contains(nil) || names.contains(.spotify) ? nil : Set(names.compactMap(\.self)).union([.user])
        } ?? [.user]
    }

    /// What must not be shown anywhere.
    var secretTexts: [String?] { [credentials?.clientSecret, dragonfly?.password, sharedStore?.password] }

    /// What others may know of an environment: the settings in it, and the names of the secret ones. Of a secret that stands in a file its path
    /// is told.
    public static func open(_ environment: [String: String]) -> (settings: [String: String], withheld: Set<SettingName>) {
        var (open, withheld): ([String: String], Set<SettingName>) = ([:], [])
        for name in SettingName.allCases {
            if let value = environment[name.rawValue], !value.isEmpty {
                if name.fileVariable == nil { open[name.rawValue] = value } else { withheld.insert(name) }
            }
            if let file = name.fileVariable, let path = environment[file], !path.isEmpty { open[file] = path }
        }
        return (open, withheld)
    }
}
