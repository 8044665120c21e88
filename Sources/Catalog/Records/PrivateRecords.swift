import Caching
import Crypto
import Glibc
import Platform
import Spotify
import Synchronization

/// What the connected account's owner keeps from others: playlists and pages of their items that are not public, for signed-in users alone
/// (`SPOTIFY_PRIVATE_PLAYLISTS`).
///
/// They are in none of the caches, which hosts may share and anybody may be answered from. Each is a file in the folder that `connect --private`
/// made (`AccountFile.privateFolder`), which goes with the consent and is looked into no more when its six months are over. `<playlist>` says that
/// a playlist is one, `<playlist>.<hash of the name>` is a record or a refusal of it. Shape: two little-endian Int64, when it was fetched and when
/// it is due, and `Record.encoded` or `NegativeEntry.encoded`.
final class PrivateRecords: Sendable {
    private let account: AccountFile
    private let ttl: Duration
    private let clock: any HostClock
    /// The consent that they go with by the account's file as it was seen last; guards a look at some words.
    private let known = Mutex<(stamp: FileStamp?, consent: Consent?)>((nil, nil))

    private struct Consent {
        /// ms since 1970, as of `AccountStanding`.
        let at: Int64
        let endsAt: Int64
        let folder: String
    }

    private static let head = 16

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(_ account: AccountFile, ttl: Duration, clock: any HostClock) {
        self.account = account
        self.ttl = ttl
        self.clock = clock
    }

    /// nil: no account is connected, its consent has ended or its six months are over, or it was asked for nothing private.
    private var consent: Consent? {
        guard let stamp = account.stamp else { return nil }
        let consent = known.withLock { known in
            if known.stamp == stamp { return known.consent }
            let standing = account.standing().flatMap { $0.isPrivate && $0.endReason == nil ? $0 : nil }
            known = (
                stamp,
                standing.map {
                    Consent(at: $0.consentedAt, endsAt: $0.endsAt, folder: account.privateFolder(consentedAt: $0.consentedAt))
                }
            )
            return known.consent
        }
        return consent.flatMap { clock.wall.milliseconds < $0.endsAt ? $0 : nil }
    }

    /// Whether a playlist was found to be one that its owner keeps from others.
    func holds(_ playlist: SpotifyID) -> Bool { consent.map { access("\($0.folder)/\(playlist.text)", F_OK) == 0 } ?? false }

    /// What is kept of it; nil: nothing.
    func find(_ resource: Resource) -> Entry? {
        guard let place = place(of: resource), let bytes = Files.read(place.path, atMost: EntryLimits.valueBytes + Self.head),
            bytes.count > Self.head
        else { return nil }
        let times = bytes.withUnsafeBytes { bytes in
            [0, 8].map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self)) }
        }
        return Entry(value: Array(bytes[Self.head...]), version: 0, storedAt: times[0], expiresAt: times[1])
    }

    /// Keeps a record of a playlist, which counts as private from then on.
    /// - Parameters:
    ///   - consented: when the consent was given whose token brought it: under another one nothing of it is kept.
    ///   - age: since it was asked for.
    func keep(_ line: ParsedAnswer.Line, under consented: Int64, age: Duration = .zero) throws(CacheError) {
        guard let place = place(of: line.resource, under: consented) else { throw Self.gone }
        do throws(SystemError) {
            try Files.createPrivate(place.mark)
            try Files.replace(place.path, with: encoded(line.encoded, for: ttl, age: age))
        } catch { throw .cannotWrite("what the account's owner keeps from others cannot be stored: \(error)") }
    }

    /// Keeps Spotify's refusal. What was answered before stays, marked with it.
    /// - Parameters:
    ///   - pause: when it is asked for again.
    ///   - consented: as of a record; nil: another worker was refused, and it is said of the consent of now.
    func keep(_ denial: NegativeEntry, for resource: Resource, _ pause: Duration, under consented: Int64?) throws(CacheError) {
        // One that is not private any more has no refusals either.
        guard let place = place(of: resource, under: consented), access(place.mark, F_OK) == 0 else { return }
        var known = find(resource).flatMap { Record(encoded: $0.value) }
        known?.refusedWith = denial.status
        let value = known.map { ParsedAnswer.Line(resource, $0).encoded } ?? denial.encoded
        do throws(SystemError) { try Files.replace(place.path, with: encoded(value, for: pause)) } catch { throw .cannotWrite("\(error)") }
    }

    /// A playlist is for everybody by now.
    func forget(_ playlist: SpotifyID) {
        guard let folder = consent?.folder else { return }
        unlink("\(folder)/\(playlist.text)")
        for name in Files.names(in: folder) where name.hasPrefix("\(playlist.text).") { unlink("\(folder)/\(name)") }
    }

    private static let gone = CacheError.cannotWrite("the account whose private list it is is connected no more")

    private func place(of resource: Resource, under consented: Int64? = nil) -> (mark: String, path: String)? {
        guard let playlist = resource.playlist, let consent, consented == nil || consented == consent.at else { return nil }
        let mark = "\(consent.folder)/\(playlist.text)"
        return (mark, "\(mark).\(Hexadecimal.text(SHA256.hash(data: Array(resource.name.utf8)).prefix(16)))")
    }

    private func encoded(_ value: [UInt8], for time: Duration, age: Duration = .zero) -> [UInt8] {
        let begin = clock.wall - age
        var bytes: [UInt8] = []
        for instant in [begin, begin + time] { withUnsafeBytes(of: instant.milliseconds.littleEndian) { bytes.append(contentsOf: $0) } }
        return bytes + value
    }
}
