import Foundation
import Platform
import Testing

@testable import Gateway

/// The tables of settings in the documentation against the code, both ways.
@Suite struct SettingsPageTests {
    static let page = rows(of: "docs/settings.md")
    static let readme = rows(of: "README.md")

    /// A row of a table of settings: the variables in its first cell, and the default in its second.
    struct Row: Sendable {
        var names: [String]
        var usual: String
    }

    private static func rows(of file: String) -> [Row] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let names = (cells.first ?? "").matches(of: /`((?:SWINGMUSIC|SPOTIFY|DRAGONFLYDB|SESSION|USER|TEMP)_[A-Z_]+)`/).map {
                String($0.1)
            }
            return names.isEmpty || cells.count < 2 ? nil : Row(names: names, usual: cells[1])
        }
    }

    @Test("The settings page has one row for every setting, with its _FILE variant", arguments: SettingName.allCases)
    func described(_ name: SettingName) {
        let rows = Self.page.filter { $0.names.first == name.rawValue }
        #expect(rows.map(\.names) == [[name.rawValue, name.fileVariable].compactMap(\.self)])
    }

    @Test("Neither page names a variable that the program does not read")
    func known() {
        let known = Set(SettingName.allCases.flatMap { [$0.rawValue, $0.fileVariable].compactMap(\.self) })
        for name in (Self.page + Self.readme).flatMap(\.names) { #expect(known.contains(name), "\(name) is not a setting") }
        #expect(!Self.readme.isEmpty)
    }

    @Test("The settings page says the defaults that the code has", arguments: SettingName.allCases)
    func defaults(_ name: SettingName) throws {
        let row = try #require(Self.page.first { $0.names.first == name.rawValue })
        let usual = try Usual(Settings(environment: [:]), Settings(environment: ["DRAGONFLYDB_HOST": "x"]))
        switch usual.value(of: name) {
        case .words(let words): #expect(row.usual == words)
        case .text(let text): #expect(row.usual == "`\(text)`")
        case .duration(let duration): #expect(Duration(setting: row.usual.filter { $0 != "`" }) == duration, "\(row.usual)")
        }
    }

    @Test("The README says the same defaults as the settings page", arguments: readme.flatMap(\.names).filter { !$0.hasSuffix("_FILE") })
    func repeated(_ name: String) throws {
        let row = try #require(Self.readme.first { $0.names.contains(name) })
        #expect(Self.page.first { $0.names.first == name }?.usual == row.usual)
    }
}

/// What a setting is when nobody sets it.
private struct Usual {
    enum Value {
        /// In the page's own words.
        case words(String)
        case text(String)
        case duration(Duration)
    }

    private let settings: Settings
    /// With a store, whose own settings count only then.
    private let withStore: Settings

    init(_ settings: Settings, _ withStore: Settings) {
        self.settings = settings
        self.withStore = withStore
    }

    func value(of name: SettingName) -> Value {
        switch name {
        case .listen: .text(settings.listen.map(\.description).joined(separator: ","))
        case .peers: optional(settings.peers?.first)
        case .socketMode: .text("0" + String(settings.socketMode, radix: 8))
        case .socketGroup: optional(settings.socketGroup)
        case .dataDirectory: .text(settings.dataDirectory)
        case .workers:
            settings.workers == Processors.available ? .words("number of cores that the process may use") : .text("\(settings.workers)")
        case .threads: .text("\(settings.threads)")
        case .missWait: .duration(settings.missWait)
        case .mirrorWait: .duration(settings.mirrorWait)
        case .queueLimit: .text("\(settings.queueLimit)")
        // With the folder: SettingsTests.
        case .metadataAuth: .words("`session` with `SWINGMUSIC_CONFIG_DIR`, else `\(settings.metadataAuth.rawValue)`")
        case .adminToken: optional(settings.adminToken)
        case .cacheToken: optional(settings.cacheToken)
        case .registration: .text(settings.registration.rawValue)
        case .adoptTokens: .text(settings.adoption.rawValue)
        case .publicURL: optional(settings.publicURL?.text)
        case .corsOrigins: optional(settings.corsOrigins.named.first?.text)
        case .statusCovers: .text(settings.statusCovers ? "on" : "off")
        case .logLevel: .text(settings.logLevel.rawValue)
        case .logFormat: .text(settings.logFormat.rawValue)
        case .swingmusicDirectory: optional(settings.swingmusicDirectory)
        case .sharedStore: optional(settings.sharedStore)
        case .sharedStorePassword: optional(settings.sharedStore?.password)
        // Some machines' names do not fit.
        case .hostName: .words("the machine's")
        case .dragonflyHost: optional(settings.dragonfly?.host)
        case .dragonflyPort, .dragonflyDatabase, .dragonflyPassword, .dragonflyTimeout: store(name)
        case .spotifyClientID: optional(settings.credentials?.clientID)
        case .spotifyClientSecret: optional(settings.credentials?.clientSecret)
        case .spotifyAPIURL: .text(settings.spotify.apiURL)
        case .spotifyAccountsURL: .text(settings.spotify.accountsURL)
        case .spotifyMinInterval: .duration(settings.minInterval)
        case .spotifyCallsPerHour: .text("\(settings.callsPerHour)")
        case .spotifyTimeout: .duration(settings.spotify.timeout)
        case .spotifyMarket: optional(settings.market)
        case .spotifyFillRemovedFields: .text(settings.fillRemovedFields ? "on" : "off")
        case .spotifyPrivatePlaylists: optional(settings.privatePlaylists)
        case .durableCaches: .text(settings.durableCaches.map(\.rawValue).sorted().joined(separator: ","))
        case .spotifyCacheTTL: .duration(settings.ttl.spotify)
        case .sessionCacheTTL: .duration(settings.ttl.session)
        case .userCacheTTL: .duration(settings.ttl.user)
        case .tempCacheTTL: .duration(settings.ttl.temp)
        }
    }

    private func store(_ name: SettingName) -> Value {
        guard let store = withStore.dragonfly else { return .words("no store") }
        switch name {
        case .dragonflyPort: return .text("\(store.port)")
        case .dragonflyDatabase: return .text("\(store.database)")
        case .dragonflyTimeout: return .duration(store.timeout)
        default: return optional(store.password)
        }
    }

    private func optional(_ value: (some Any)?) -> Value { value == nil ? .words("none") : .text("something") }
}
