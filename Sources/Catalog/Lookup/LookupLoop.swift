import Caching
import CSystem
import Foundation
import Logging
import RateLimiting
import Spotify
import Synchronization

/// The lookup thread's work, round by round: take in what callers left, take a permit when one is due, see what other workers
/// fetched, wait for the network or the bell. Confined to its thread.
final class LookupLoop {
    let inbox: LookupInbox
    let recordStore: RecordStore
    let rateLimiter: RateLimiter
    let configuration: CatalogConfiguration
    let log: Logger
    var singleFlight = SingleFlight()
    var tokens: AccessTokenProvider?
    /// When the limiter shall be asked again, CLOCK_MONOTONIC nanoseconds.
    var nextPermitAt: UInt64 = 0
    /// A call was begun whose gate has not been reached.
    var isAtGate = false
    /// The shared file's last failure, so that it is logged when it begins and when it ends.
    var rateLimiterFailure: String?
    var renewalsAsked: [Resource: RenewalAsked] = [:]
    var lastRenewalRound: UInt64
    let renewalPlan: RenewalPlan
    /// Calls of this worker that were sent and have not ended.
    var inFlight: Set<Resource> = []
    var accountMode: AccountMode?
    private var lastChange: Int64?
    private var uses: UsageLog

    /// Another worker may have left a lookup behind: look now and then even when nobody here waits.
    static let idleLook = Duration.seconds(5)
    /// How soon this worker sees what another one fetched.
    static let watchPause = Duration.milliseconds(20)
    static let callsAtOnce = 8

    init(inbox: LookupInbox, recordStore: RecordStore, rateLimiter: RateLimiter, configuration: CatalogConfiguration, log: Logger) {
        self.inbox = inbox
        self.recordStore = recordStore
        self.rateLimiter = rateLimiter
        self.configuration = configuration
        self.log = log
        renewalPlan = RenewalPlan(ttl: configuration.recordTTL)
        uses = UsageLog(tolerance: renewalPlan.tolerance)
        lastRenewalRound = csys_monotonic_ns()
        tokens = configuration.credentials.map {
            AccessTokenProvider(credentials: $0, rateLimiter: rateLimiter, worker: configuration.worker)
        }
    }

    func run() {
        let client: SpotifyClient
        do {
            client = try SpotifyClient(endpoints: configuration.endpoints, log: log)
        } catch {
            log.critical("the Spotify client cannot start: \(error)")
            return
        }
        while true {
            let contents = inbox.collect()
            if contents.stopping { return }
            for number in contents.departures { singleFlight.remove(number) }
            if !contents.arrivals.isEmpty { admit(contents.arrivals) }
            if !contents.due.isEmpty { renew(contents.due) }
            uses.add(contents.used)
            uses.step(recordStore.caches, now: csys_monotonic_ns())
            renewAhead()
            watchOthers()
            takePermit(client)
            client.poll(for: pause(client), wake: inbox.bell)
        }
    }

    /// How long nothing will happen unless the network or the bell says so.
    private func pause(_ client: SpotifyClient) -> Duration {
        let now = csys_monotonic_ns()
        var pause = Self.idleLook
        if !isAtGate, client.active < Self.callsAtOnce, configuration.credentials != nil {
            pause = min(pause, .nanoseconds(nextPermitAt > now ? Int64(min(nextPermitAt - now, 60_000_000_000)) : 0))
        }
        if let next = uses.next { pause = min(pause, .nanoseconds(next > now ? Int64(min(next - now, 60_000_000_000)) : 0)) }
        return watchesOthers ? min(pause, Self.watchPause) : pause
    }

    /// Somebody here waits for what another worker may be fetching.
    private var watchesOthers: Bool { singleFlight.waits(forOtherThan: inFlight) }

    /// Settles callers whose lookup another worker finished or gave up.
    private func watchOthers() {
        guard watchesOthers else { return }
        guarded {
            let change = try rateLimiter.changeCounter()
            guard change != lastChange else { return }
            lastChange = change
            // It may be that no call can be made for a while: peek, and tell those who cannot wait for its end.
            nextPermitAt = min(nextPermitAt, csys_monotonic_ns())
            let waiting = singleFlight.resources
            for (resource, state) in zip(waiting, try rateLimiter.states(of: waiting.map(\.name), estimating: false)) {
                switch state {
                case .waiting, .leased: continue
                case .absent: singleFlight.settle(resource)
                case .failed(let reason, let retryAt):
                    let pause = Duration.milliseconds(max(retryAt - csys_wall_ms(), 1000))
                    singleFlight.fail(resource, .failed(reason: reason, after: pause))
                }
            }
        }
    }

    /// Runs what needs the limiter's file. When that fails no call is made, and the log says so once.
    func guarded(_ work: () throws -> Void) {
        do {
            try work()
            if rateLimiterFailure != nil {
                log.notice("the limiter's file works again")
                rateLimiterFailure = nil
            }
        } catch {
            let reason = "\(error)"
            if rateLimiterFailure == nil { log.error("no call to Spotify is made: \(reason)") }
            rateLimiterFailure = reason
            nextPermitAt = csys_monotonic_ns() + 1_000_000_000
            singleFlight.failImpatient(before: .max, .failed(reason: reason, after: .seconds(30)))
        }
    }

    // MARK: Keeping records fresh: those that were served stale, and those in use before they fall due

    /// Renews what was served although it was due. It waits behind all callers.
    func renew(_ stale: [Resource: Int64]) { askForRenewal(of: stale.map { ($0.key, dueAt: $0.value) }) }

    /// Once a minute: renews what was used lately and falls due soon. What fails stays queued there and pauses, longer each time.
    func renewAhead() {
        let now = csys_monotonic_ns()
        guard configuration.credentials != nil, now > lastRenewalRound + Self.renewalRound else { return }
        lastRenewalRound = now
        renewalsAsked = renewalsAsked.filter { now < $0.value.askedAt + Self.renewalMemory }
        let wall = csys_wall_ms()
        let due = try? recordStore.caches.due(
            before: wall + renewalPlan.lead, usedSince: wall - renewalPlan.interest, prefix: Array(Resource.cachePrefix.utf8),
            limit: Self.renewalsInRound)
        askForRenewal(
            of: (due ?? []).compactMap { key, dueAt in
                guard let resource = Resource(cacheKey: key), isToBeRenewed(resource) else { return nil }
                return (resource, dueAt)
            })
    }

    /// Not what Spotify refused less than a day ago, and nothing at an endpoint that is closed for this account.
    private func isToBeRenewed(_ resource: Resource) -> Bool {
        if let endpoint = resource.endpointThatCloses, (try? recordStore.isClosed(endpoint)) != false { return false }
        guard case .hit(let served)? = try? recordStore.read(resource) else { return false }
        return served.record.refusedWith == nil || served.isDue
    }

    /// A record that falls due at `dueAt` is asked for once; again when it has been renewed since, or when that was long ago.
    private func askForRenewal(of records: [(resource: Resource, dueAt: Int64)]) {
        guard configuration.credentials != nil else { return }
        let now = csys_monotonic_ns()
        let wanted = records.filter { record in
            guard let asked = renewalsAsked[record.resource], asked.dueAt == record.dueAt else { return true }
            return now > asked.askedAt + Self.renewalMemory
        }
        guard !wanted.isEmpty else { return }
        guarded {
            let asks = wanted.map { Ask(key: $0.resource.name, priority: .renewal, client: "", attendedUntil: 0) }
            for (record, admission) in zip(wanted, try rateLimiter.enqueue(asks)) {
                if case .queued = admission { renewalsAsked[record.resource] = RenewalAsked(dueAt: record.dueAt, askedAt: now) }
            }
            nextPermitAt = min(nextPermitAt, now)
        }
    }

    private static let renewalRound: UInt64 = 60_000_000_000
    private static let renewalMemory: UInt64 = 600_000_000_000
    /// Half of what the limiter's queue holds by default: renewals have no more room there.
    private static let renewalsInRound = 500
}

/// The one thread of a worker that queues lookups, takes turns and talks to Spotify. Nothing that it waits for is waited for
/// by an event thread.
public final class LookupThread: Sendable {
    private let inbox: LookupInbox
    private let finished = DispatchSemaphore(value: 0)

    /// Starts the thread.
    public init(inbox: LookupInbox, recordStore: RecordStore, rateLimiter: RateLimiter, configuration: CatalogConfiguration, log: Logger) {
        self.inbox = inbox
        let finished = finished
        let thread = Thread {
            // The loop and its Spotify client belong to this thread alone, so they are made on it.
            LookupLoop(inbox: inbox, recordStore: recordStore, rateLimiter: rateLimiter, configuration: configuration, log: log).run()
            finished.signal()
        }
        thread.name = "lookup"
        thread.start()
    }

    /// Ends the thread after what it is just doing; calls in flight are given up, their leases fall to other workers.
    public func stop() {
        inbox.stop()
        finished.wait()
    }
}

/// A renewal that was asked for.
struct RenewalAsked {
    /// Of the record as it was then, wall-clock milliseconds.
    var dueAt: Int64
    /// CLOCK_MONOTONIC, nanoseconds.
    var askedAt: UInt64
}

/// How far ahead of its time a record is renewed, and how long ago it may have been used. Milliseconds.
struct RenewalPlan {
    /// A twelfth of the ttl: so the renewals of records that were fetched together have an hour to spread over.
    let lead: Int64
    /// Twice the ttl: what is used once a day at the same hour is fresh when that hour comes.
    let interest: Int64
    /// A 48th of the ttl: a use that another worker has noted so short ago is not noted again.
    let tolerance: Int64

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`.
    init(ttl: Duration) {
        lead = ttl.wholeMilliseconds / 12
        let (twice, overflow) = ttl.wholeMilliseconds.multipliedReportingOverflow(by: 2)
        interest = overflow ? .max : twice
        tolerance = ttl.wholeMilliseconds / 48
    }
}
