import Crypto
import FoundationEssentials
import Glibc
import JSON
import Platform

/// What can be told of the connected Spotify account without opening what is sealed.
public struct AccountStanding: Sendable, Equatable {
    /// When its owner consented, ms since 1970.
    public let consentedAt: Int64
    /// Why its token was put away; nil: it is used.
    public let endReason: String?
    /// Its lists that are not public are to be had, too.
    public let isPrivate: Bool

    public init(consentedAt: Int64, endReason: String?, isPrivate: Bool = false) {
        self.consentedAt = consentedAt
        self.endReason = endReason
        self.isPrivate = isPrivate
    }

    /// Spotify's refresh tokens last six months from the consent, and a new one does not last longer (Web API, "Refreshing tokens", since July
    /// 2026). ms since 1970.
    public var endsAt: Int64 {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? calendar.timeZone
        let consent = Date(timeIntervalSince1970: Double(consentedAt) / 1000)
        let end = calendar.date(byAdding: .month, value: 6, to: consent) ?? consent
        return Int64(end.timeIntervalSince1970 * 1000)
    }

    /// Whether the owner should consent anew: within the last month.
    public func isEnding(now: WallTime) -> Bool { WallTime(milliseconds: endsAt) - now < .seconds(30 * 86_400) }

    /// The day of its end, as people read it.
    public var endDay: String { String(WallTime(milliseconds: endsAt).text.prefix(10)) }
}

/// What the accounts service gave for a consent. Printing or reflecting on it never shows the tokens.
public struct AccountTokens: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    public var refresh: String
    /// nil: to be asked for.
    public var access: String?
    /// ms since 1970.
    public var accessEndsAt: Int64

    public init(refresh: String, access: String?, accessEndsAt: Int64) {
        self.refresh = refresh
        self.access = access
        self.accessEndsAt = accessEndsAt
    }

    public var description: String { "AccountTokens" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// `account.sealed` in the data folder: the one Spotify account that lent itself with `connect`, for all processes.
///
/// Its tokens are sealed (ChaCha20-Poly1305, RFC 8439) under a key made of the app's client secret (HKDF, RFC 5869): a copy of the folder
/// opens nothing. Who renews them holds `account.lock`. Both are no database, and no part of a backup.
///
/// What its owner keeps from others lies in a folder of its own, `private-<consentedAt>`, for as long as the consent is good: nobody else makes
/// that folder, so what a call of before brings is kept nowhere once it is gone.
public struct AccountFile: Sendable {
    public static let name = "account.sealed"
    public static let lockName = "account.lock"

    private let folder: String
    private var path: String { "\(folder)/\(Self.name)" }
    private static let longest = 64 * 1024

    public init(folder: String) { self.folder = folder }

    /// Changes with every change of it; nil: there is none.
    public var stamp: FileStamp? { FileStamp(path: path) }

    /// To be had by who renews the tokens, or exchanges the account.
    public func lock() throws(SystemError) -> FileLock { try LockFile(path: "\(folder)/\(Self.lockName)").lock(0) }

    /// nil: no account is connected, or what is there cannot be read.
    public func standing() -> AccountStanding? {
        guard let bytes = Files.read(path, atMost: Self.longest), let value = try? JSONValue(reading: bytes),
            let consentedAt = value["consentedAt"]?.integer
        else { return nil }
        return AccountStanding(
            consentedAt: consentedAt, endReason: value["ended"]?.text, isPrivate: value["private"]?.bool ?? false)
    }

    /// The tokens; nil where none are, where they were put away, or where they were sealed with other credentials.
    public func tokens(_ credentials: SpotifyCredentials) -> AccountTokens? {
        guard let bytes = Files.read(path, atMost: Self.longest), let value = try? JSONValue(reading: bytes),
            let consentedAt = value["consentedAt"]?.integer, let sealed = value["sealed"]?.text,
            let salt = value["salt"]?.text.flatMap({ Base64URL.decode($0.utf8) }), let combined = Base64URL.decode(sealed.utf8),
            let box = try? ChaChaPoly.SealedBox(combined: combined),
            let plain = try? ChaChaPoly.open(
                box, using: Self.key(credentials, salt), authenticating: Self.context(credentials, consentedAt)),
            let inner = try? JSONValue(reading: Array(plain)), let refresh = inner["refresh"]?.text
        else { return nil }
        return AccountTokens(refresh: refresh, access: inner["access"]?.text, accessEndsAt: inner["accessEndsAt"]?.integer ?? 0)
    }

    /// Takes the account in: what was kept of another consent goes.
    public func connect(
        _ tokens: AccountTokens, consentedAt: Int64, isPrivate: Bool, _ credentials: SpotifyCredentials
    ) throws(SystemError) {
        let own = privateFolder(consentedAt: consentedAt)
        if isPrivate { try Files.makeFolder(own, mode: 0o700) }
        try keep(tokens, consentedAt: consentedAt, isPrivate: isPrivate, credentials)
        try removePrivateFolders(but: own)
    }

    public func keep(
        _ tokens: AccountTokens, consentedAt: Int64, isPrivate: Bool = false, _ credentials: SpotifyCredentials
    ) throws(SystemError) {
        let inner: JSONValue = [
            "refresh": .string(tokens.refresh), "access": tokens.access.map(JSONValue.string) ?? .null,
            "accessEndsAt": .integer(tokens.accessEndsAt),
        ]
        let salt = Array(RandomName.letters(bits: 128).utf8)
        let box = try? ChaChaPoly.seal(
            Data(JSONWriter.bytes(of: inner)), using: Self.key(credentials, salt),
            authenticating: Self.context(credentials, consentedAt))
        guard let box else { throw SystemError("seal", code: EINVAL) }
        try write([
            "consentedAt": .integer(consentedAt), "salt": .string(String(decoding: Base64URL.encode(salt), as: UTF8.self)),
            "sealed": .string(String(decoding: Base64URL.encode(box.combined), as: UTF8.self)), "private": .bool(isPrivate),
        ])
    }

    /// Puts the tokens away for good: they are nowhere any more. That there was an account, and why it ended, stays until `remove`.
    public func end(_ reason: String, consentedAt: Int64) throws(SystemError) {
        try write(["consentedAt": .integer(consentedAt), "ended": .string(reason)])
        try removePrivateFolders()
    }

    /// Forgets the account, and what its owner keeps from others. False where there was none.
    public func remove() throws(SystemError) -> Bool {
        let wasThere = unlink(path) == 0
        guard wasThere || errno == ENOENT else { throw SystemError("unlink") }
        try removePrivateFolders()
        return wasThere
    }

    // MARK: What is kept apart

    private static let privatePrefix = "private-"

    /// Where what the owner keeps from others lies; `connect` makes it.
    public func privateFolder(consentedAt: Int64) -> String { "\(folder)/\(Self.privatePrefix)\(consentedAt)" }

    /// Removes what was kept under one consent, which has outlived its six months; that it was given stays.
    public func removePrivateFolder(consentedAt: Int64) throws(SystemError) {
        let own = "\(Self.privatePrefix)\(consentedAt)"
        try removePrivateFolders { $0 == own || $0 == "\(own).gone" }
    }

    private func removePrivateFolders(but kept: String? = nil) throws(SystemError) {
        try removePrivateFolders { $0.hasPrefix(Self.privatePrefix) && "\(folder)/\($0)" != kept }
    }

    private func removePrivateFolders(_ isMeant: (String) -> Bool) throws(SystemError) {
        for name in Files.names(in: folder) where isMeant(name) {
            // Who is writing into it finds no place any more.
            let gone = name.hasSuffix(".gone") ? name : "\(name).gone"
            guard name == gone || rename("\(folder)/\(name)", "\(folder)/\(gone)") == 0 else { throw SystemError("rename") }
            try Files.removeFolder("\(folder)/\(gone)")
        }
    }

    // A new refresh token that is lost is a consent that is lost.
    private func write(_ value: JSONValue) throws(SystemError) { try Files.replace(path, with: JSONWriter.bytes(of: value)) }

    private static func key(_ credentials: SpotifyCredentials, _ salt: [UInt8]) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: Data(credentials.clientSecret.utf8)), salt: Data(salt),
            info: Data("swingmusic-fcgi account".utf8), outputByteCount: 32)
    }

    private static func context(_ credentials: SpotifyCredentials, _ consentedAt: Int64) -> Data {
        Data("\(credentials.clientID) \(consentedAt)".utf8)
    }
}
