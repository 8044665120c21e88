import Caching
import JSON
import Platform
import Spotify

/// Chooses the calls that renew records, as few as may be: a playlist brings its tracks, an album those that it lists.
struct RenewalCalls {
    /// A record that is due, and what else could renew it.
    struct Candidate: Equatable {
        var due: Refresh.Due
        /// What its own call brings whole besides: of a playlist its tracks.
        var brings: Set<Resource> = []
        /// The album that a track is of, where its list renews the record.
        var album: Album?
    }

    struct Album: Equatable {
        var resource: Resource
        /// It is kept, and lists the track as the record has it. Else it is not known at all.
        var isKept: Bool
        /// Other records that its call would renew are in use, though not due yet.
        var hasCompany: Bool
    }

    /// In the order of what is due; and for what no call is worth while: records that were used on one occasion only, unless the call renews
    /// another that is worth it, or so many tracks of an album that were not all used on the same.
    /// - Parameter apart: how long after another a use is another occasion.
    static func worthwhile(_ candidates: [Candidate], apart: Duration) -> (calls: [Refresh.Call], declined: [Refresh.Due]) {
        let calls = choose(candidates)
        func isWorthwhile(_ call: Refresh.Call) -> Bool {
            if call.renews.contains(where: \.isHabit) { return true }
            let uses = call.renews.compactMap(\.usedAt?.milliseconds)
            guard call.renews.count >= several, let first = uses.min(), let last = uses.max() else { return false }
            return last - first >= apart.wholeMilliseconds
        }
        return (calls.filter(isWorthwhile), calls.filter { !isWorthwhile($0) }.flatMap(\.renews))
    }

    private static let several = 3

    /// In the order of what is due. One call for each record at least, but for those that another one's renews.
    ///
    /// An album that is not known is asked for where two tracks or more need it; one that is, also for the sake of a single track where it
    /// renews something else that is used. Else a track is asked for alone, which brings all of it.
    static func choose(_ candidates: [Candidate]) -> [Refresh.Call] {
        let due = Set(candidates.map(\.due.resource))
        var bringers: [Resource: Resource] = [:]
        for candidate in candidates {
            for other in candidate.brings where due.contains(other) && bringers[other] == nil { bringers[other] = candidate.due.resource }
        }
        let needing = Dictionary(grouping: candidates.filter { bringers[$0.due.resource] == nil }.compactMap(\.album), by: \.resource)
        var calls: [Refresh.Call] = []
        var places: [Resource: Int] = [:]
        for candidate in candidates {
            let own = candidate.due.resource
            let album = candidate.album.flatMap { album in
                due.contains(album.resource) || needing[album.resource, default: []].count > 1 || album.isKept && album.hasCompany
                    ? album.resource : nil
            }
            let resource = bringers[own] ?? album ?? own
            if let place = places[resource] {
                calls[place].renews.append(candidate.due)
            } else {
                places[resource] = calls.count
                calls.append(Refresh.Call(resource: resource, renews: [candidate.due]))
            }
        }
        return calls
    }
}

/// Finds out from the database what could renew what is due. Confined to the lookup thread.
final class RenewalReader {
    private let recordStore: RecordStore
    private let clock: any HostClock
    private let plan: RenewalPlan
    private var used: (keys: Set<[UInt8]>, readAt: MonotonicTime)?

    private static let usedLifetime = Duration.seconds(60)
    private static let mostUsed = 20_000

    init(recordStore: RecordStore, plan: RenewalPlan, clock: any HostClock) {
        self.recordStore = recordStore
        self.plan = plan
        self.clock = clock
    }

    /// The calls for what is due. Left out is what Spotify refused less than a day ago, and what is at an endpoint that is closed for this account.
    func calls(for due: [Refresh.Due]) -> (calls: [Refresh.Call], declined: [Refresh.Due]) {
        var albums: [Resource: KeptAlbum] = [:]
        return RenewalCalls.worthwhile(due.compactMap { candidate($0, &albums) }, apart: plan.apart)
    }

    private func candidate(_ due: Refresh.Due, _ albums: inout [Resource: KeptAlbum]) -> RenewalCalls.Candidate? {
        let resource = due.resource
        if let endpoint = resource.endpointThatCloses, (try? recordStore.isClosed(endpoint)) != false { return nil }
        guard case .hit(let served)? = try? recordStore.read(resource), served.record.refusedWith == nil || served.isDue else { return nil }
        switch resource {
        case .object(.track, _, _):
            return RenewalCalls.Candidate(due: due, album: album(of: resource, served, &albums))
        case .object(.playlist, _, _), .playlistItems, .withEpisodes, .topTracks:
            let brought = ParsedAnswer(resource, Array(served.record.body))?.lines.dropFirst().map(\.resource)
            return RenewalCalls.Candidate(due: due, brings: Set(brought ?? []))
        default: return RenewalCalls.Candidate(due: due)
        }
    }

    /// What is kept of an album.
    private enum KeptAlbum {
        case unknown
        /// It is refused, or lists nothing.
        case useless
        case lists(ListedTracks)
    }

    private func album(of track: Resource, _ served: Served, _ albums: inout [Resource: KeptAlbum]) -> RenewalCalls.Album? {
        guard served.record.refusedWith == nil, !recordStore.isLongPartial(served), let known = try? JSONDocument(served.record.body).root,
            let id = known["album"]?["id"]?.string.flatMap({ SpotifyID($0) })
        else { return nil }
        let resource = Resource.object(.album, id, market: track.market)
        let kept = albums[resource] ?? read(resource)
        albums[resource] = kept
        switch kept {
        case .useless: return nil
        case .unknown: return RenewalCalls.Album(resource: resource, isKept: false, hasCompany: false)
        case .lists(let listed):
            guard listed.renewed(track, known) != nil else { return nil }
            let others = [resource] + listed.resources.filter { $0 != track }
            return RenewalCalls.Album(resource: resource, isKept: true, hasCompany: others.contains(where: isUsed))
        }
    }

    private func read(_ album: Resource) -> KeptAlbum {
        switch try? recordStore.read(album) {
        case .hit(let served)? where served.record.refusedWith == nil:
            return (try? JSONDocument(served.record.body)).flatMap { ListedTracks(album, $0.root) }.map { .lists($0) } ?? .useless
        case .miss?: return .unknown
        case .hit, .denied, nil: return .useless
        }
    }

    func isUsed(_ resource: Resource) -> Bool { usedKeys.contains(resource.cacheKey) }

    /// The keys of the records that are in use, as of the last minute.
    private var usedKeys: Set<[UInt8]> {
        if let used, clock.monotonic < used.readAt + Self.usedLifetime { return used.keys }
        let found = try? recordStore.caches.due(
            before: .max, usedSince: (clock.wall - plan.interest).milliseconds, prefix: Array(Resource.cachePrefix.utf8),
            limit: Self.mostUsed)
        let keys = Set((found ?? []).map(\.key))
        used = (keys, clock.monotonic)
        return keys
    }
}
