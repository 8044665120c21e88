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
/// made (`AccountFile.privateFolder`), which goes with the consent: `<playlist>` says that a playlist is one, `<playlist>.<hash of the name>` is a
/// record or a refusal of it. Shape: two little-endian Int64, when it was fetched and when it is due, and `Record.encoded` or
/// `NegativeEntry.encoded`.
final class PrivateRecords: Sendable {
    private let account: AccountFile
    private let ttl: Duration
    private let clock: any HostClock
    /// Where they lie by the account's file as it was seen last; guards a look at two words.
    private let known = Mutex<(stamp: FileStamp?, folder: String?)>((nil, nil))

    private static let head = 16

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(_ account: AccountFile, ttl: Duration, clock: any HostClock) {
        self.account = account
        self.ttl = ttl
        self.clock = clock
    }

    /// nil: no account is connected, its consent has ended, or it was asked for nothing private.
    private var folder: String? {
        guard let stamp = account.stamp else { return nil }
        return known.withLock { known in
            if known.stamp == stamp { return known.folder }
            let standing = account.standing().flatMap { $0.isPrivate && $0.endReason == nil ? $0 : nil }
            known = (stamp, standing.map { account.privateFolder(consentedAt: $0.consentedAt) })
            return known.folder
        }
    }

    /// Whether a playlist was found to be one that its owner keeps from others.
    func holds(_ playlist: SpotifyID) -> Bool { folder.map { access("\($0)/\(playlist.text)", F_OK) == 0 } ?? false }

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
    func keep(_ line: ParsedAnswer.Line) throws(CacheError) {
        guard let place = place(of: line.resource) else { throw Self.gone }
        do throws(SystemError) {
            try Files.createPrivate(place.mark)
            try Files.replace(place.path, with: encoded(line.encoded, for: ttl))
        } catch { throw .cannotWrite("what the account's owner keeps from others cannot be stored: \(error)") }
    }

    /// Keeps Spotify's refusal. What was answered before stays, marked with it.
    /// - Parameter pause: when it is asked for again.
    func keep(_ denial: NegativeEntry, for resource: Resource, _ pause: Duration) throws(CacheError) {
        // One that is not private any more has no refusals either.
        guard let place = place(of: resource), access(place.mark, F_OK) == 0 else { return }
        var known = find(resource).flatMap { Record(encoded: $0.value) }
        known?.refusedWith = denial.status
        let value = known.map { ParsedAnswer.Line(resource, $0).encoded } ?? denial.encoded
        do throws(SystemError) { try Files.replace(place.path, with: encoded(value, for: pause)) } catch { throw .cannotWrite("\(error)") }
    }

    /// A playlist is for everybody by now.
    func forget(_ playlist: SpotifyID) {
        guard let folder else { return }
        unlink("\(folder)/\(playlist.text)")
        for name in Files.names(in: folder) where name.hasPrefix("\(playlist.text).") { unlink("\(folder)/\(name)") }
    }

    private static let gone = CacheError.cannotWrite("the account whose private list it is is connected no more")

    private func place(of resource: Resource) -> (mark: String, path: String)? {
        guard let playlist = resource.playlist, let folder else { return nil }
        let mark = "\(folder)/\(playlist.text)"
        return (mark, "\(mark).\(Hexadecimal.text(SHA256.hash(data: Array(resource.name.utf8)).prefix(16)))")
    }

    private func encoded(_ value: [UInt8], for time: Duration) -> [UInt8] {
        let now = clock.wall
        var bytes: [UInt8] = []
        for instant in [now, now + time] { withUnsafeBytes(of: instant.milliseconds.littleEndian) { bytes.append(contentsOf: $0) } }
        return bytes + value
    }
}
