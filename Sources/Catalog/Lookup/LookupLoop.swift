import CSystem
import Logging
import Spotify
import RateLimiting

/// The lookup thread's work, round by round: take in what callers left, take a turn when one is due, see what other workers
/// fetched, wait for the network or the bell. Confined to its thread.
final class LookupLoop {
    let desk: LookupDesk
    let shelf: Shelf
    let turnstile: Turnstile
    let configuration: CatalogConfiguration
    let log: Logger
    var room = WaitingRoom()
    var tokens: TokenKeeper?
    /// When the turnstile shall be asked again, CLOCK_MONOTONIC nanoseconds.
    var nextTurnAt: UInt64 = 0
    /// A call was begun whose gate has not been reached.
    var isAtGate = false
    /// The shared file's last failure, so that it is logged when it begins and when it ends.
    var turnstileFailure: String?
    var renewalsAsked: [Resource: RenewalAsked] = [:]
    var lastRenewalRound: UInt64
    let renewalPlan: RenewalPlan
    /// Calls of this worker that were sent and have not ended.
    var inFlight: Set<Resource> = []
    var accountMode: AccountMode?
    private var lastChange: Int64?
    private var uses: UseNotes

    /// Another worker may have left a lookup behind: look now and then even when nobody here waits.
    static let idleLook = Duration.seconds(5)
    /// How soon this worker sees what another one fetched.
    static let watchPause = Duration.milliseconds(20)
    static let callsAtOnce = 8

    init(desk: LookupDesk, shelf: Shelf, turnstile: Turnstile, configuration: CatalogConfiguration, log: Logger) {
        self.desk = desk
        self.shelf = shelf
        self.turnstile = turnstile
        self.configuration = configuration
        self.log = log
        renewalPlan = RenewalPlan(ttl: configuration.recordTTL)
        uses = UseNotes(tolerance: renewalPlan.tolerance)
        lastRenewalRound = csys_monotonic_ns()
        tokens = configuration.credentials.map {
            TokenKeeper(credentials: $0, turnstile: turnstile, worker: configuration.worker)
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
            let tray = desk.collect()
            if tray.stopping { return }
            for number in tray.departures { room.remove(number) }
            if !tray.arrivals.isEmpty { admit(tray.arrivals) }
            if !tray.due.isEmpty { renew(tray.due) }
            uses.add(tray.used)
            uses.step(shelf.caches, now: csys_monotonic_ns())
            renewAhead()
            watchOthers()
            takeTurn(client)
            client.poll(for: pause(client), wake: desk.bell)
        }
    }

    /// How long nothing will happen unless the network or the bell says so.
    private func pause(_ client: SpotifyClient) -> Duration {
        let now = csys_monotonic_ns()
        var pause = Self.idleLook
        if !isAtGate, client.active < Self.callsAtOnce, configuration.credentials != nil {
            pause = min(pause, .nanoseconds(nextTurnAt > now ? Int64(min(nextTurnAt - now, 60_000_000_000)) : 0))
        }
        if let next = uses.next { pause = min(pause, .nanoseconds(next > now ? Int64(min(next - now, 60_000_000_000)) : 0)) }
        return watchesOthers ? min(pause, Self.watchPause) : pause
    }

    /// Somebody here waits for what another worker may be fetching.
    private var watchesOthers: Bool { room.waits(forOtherThan: inFlight) }

    /// Settles callers whose lookup another worker finished or gave up.
    private func watchOthers() {
        guard watchesOthers else { return }
        guarded {
            let change = try turnstile.changeCounter()
            guard change != lastChange else { return }
            lastChange = change
            // It may be that no call can be made for a while: peek, and tell those who cannot wait for its end.
            nextTurnAt = min(nextTurnAt, csys_monotonic_ns())
            let waiting = room.resources
            for (resource, state) in zip(waiting, try turnstile.states(of: waiting.map(\.name), estimating: false)) {
                switch state {
                case .waiting, .leased: continue
                case .absent: room.settle(resource)
                case .failed(let reason, let retryAt):
                    let pause = Duration.milliseconds(max(retryAt - csys_wall_ms(), 1000))
                    room.fail(resource, .failed(reason: reason, after: pause))
                }
            }
        }
    }

    /// Runs what needs the turnstile's file. When that fails no call is made, and the log says so once.
    func guarded(_ work: () throws -> Void) {
        do {
            try work()
            if turnstileFailure != nil {
                log.notice("the limiter's file works again")
                turnstileFailure = nil
            }
        } catch {
            let reason = "\(error)"
            if turnstileFailure == nil { log.error("no call to Spotify is made: \(reason)") }
            turnstileFailure = reason
            nextTurnAt = csys_monotonic_ns() + 1_000_000_000
            room.failImpatient(before: .max, .failed(reason: reason, after: .seconds(30)))
        }
    }
}
