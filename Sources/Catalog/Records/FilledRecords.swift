import Caching
import Platform
import Synchronization

/// Records with the fields that development mode removed, made once and kept in this worker's memory beside what the caches hold: by the version
/// of the entry, which never repeats, so that none is ever another's or an older one.
///
/// Of a small record that says itself what it lacks nothing is kept: putting the fields in is a copy of some kilobytes. Of one that does not, as
/// none did before, the places are kept, some dozen bytes, so that there is room for a hundred thousand. A large one is kept as it is served, and
/// so is what is asked for over and over. Bounded by bytes; what was not used for longest goes first, and all of it after a minute or two of rest.
final class FilledRecords: Sendable {
    /// A class, so that finding one counts one reference and not one for each of its parts.
    private final class Held: Sendable {
        let fields: RemovedFields
        /// Of a large record, and of one that is asked for over and over.
        let filled: Record?
        /// The plain record's tag: of a file that was exchanged, a version might mean another record.
        let plainTag: UInt64

        init(fields: RemovedFields, filled: Record?, plainTag: UInt64) {
            self.fields = fields
            self.filled = filled
            self.plainTag = plainTag
        }

        var cost: Int { FilledRecords.overhead + fields.words.count * 8 + (filled?.body.count ?? 0) }
    }

    /// Two generations: what is used moves into the younger one, and the older one is let go when the younger one is full.
    private struct Generations {
        var young: [Int64: Held] = [:]
        var old: [Int64: Held] = [:]
        var youngBytes = 0
        var turnedAt: MonotonicTime

        mutating func keep(_ held: Held, _ version: Int64, atMost most: Int, now: MonotonicTime) {
            if youngBytes + held.cost > most { turn(now: now) }
            if let old = young.updateValue(held, forKey: version) { youngBytes -= old.cost }
            youngBytes += held.cost
        }

        mutating func turn(now: MonotonicTime) {
            old = young
            young = [:]
            youngBytes = 0
            turnedAt = now
        }
    }

    /// Guards both generations, for the length of a dictionary lookup.
    private let generations: Mutex<Generations>
    /// Of one generation.
    private let most: Int
    private static let overhead = 120
    private static let rest = Duration.seconds(60)
    /// From here on a record is kept whole.
    private static let large = 8192

    /// - Parameter bytes: the bound, of both generations together.
    init(bytes: Int = 16 << 20, now: MonotonicTime) {
        most = bytes / 2
        generations = Mutex(Generations(turnedAt: now))
    }

    /// The filled form of an entry; nil where that holds no record.
    /// - Parameter isBusy: it is asked for over and over.
    func record(of resource: Resource, _ entry: Entry, isBusy: Bool = false, now: MonotonicTime) -> Record? {
        guard let plainTag = Record.tag(ofEncoded: entry.value) else { return nil }
        let mayBeLarge = isBusy || entry.value.count > Self.large
        if !mayBeLarge, let filled = RemovedFields.filled(storedIn: entry.value) { return filled }
        if mayBeLarge, RemovedFields.isNothing(storedIn: entry.value) { return Record(encoded: entry.value) }
        let known = find(entry.version, plainTag, now: now)
        if let filled = known?.filled { return filled }
        guard let plain = Record(encoded: entry.value) else { return nil }
        let stored = known == nil ? RemovedFields(storedIn: entry.value, resource) : nil
        let fields = known?.fields ?? stored ?? RemovedFields(of: plain, resource)
        let filled = fields.filled(plain)
        let isKeptWhole = mayBeLarge && plain.body.count < most / 4 && !fields.isEmpty
        if isKeptWhole || known == nil && stored == nil {
            let held = Held(fields: fields, filled: isKeptWhole ? filled : nil, plainTag: plainTag)
            generations.withLock { $0.keep(held, entry.version, atMost: most, now: now) }
        }
        return filled
    }

    private func find(_ version: Int64, _ plainTag: UInt64, now: MonotonicTime) -> Held? {
        generations.withLock { generations in
            if let held = generations.young[version] { return held.plainTag == plainTag ? held : nil }
            guard let held = generations.old.removeValue(forKey: version), held.plainTag == plainTag else { return nil }
            generations.keep(held, version, atMost: most, now: now)
            return held
        }
    }

    /// Lets go of what was not used for a minute or two; cheap enough for every round of the lookup thread.
    func purge(now: MonotonicTime) {
        generations.withLock { generations in
            guard now > generations.turnedAt + Self.rest else { return }
            generations.turn(now: now)
        }
    }

    var count: Int { generations.withLock { $0.young.count + $0.old.count } }
}
