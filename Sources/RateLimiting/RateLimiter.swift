import Platform

/// The limiter of Spotify calls and the queue of lookups, shared by all that use one Spotify account. What follows is promised by every
/// implementation, and `Tests/RateLimitingTests/LimiterConformance.swift` holds them to it.
///
/// May be used from any thread. Calls may wait for a disk or a lock, so none of them belongs on an event thread. A call that throws has changed
/// nothing that others can see and granted nothing.
public protocol RateLimiter: Sendable {
    /// Differs from the last value when somebody else changed the queue, the token or a fact; one's own changes need not show.
    func changeCounter() throws(RateLimiterError) -> Int64

    // MARK: Permits and what becomes of them

    /// Asks for the right to make one call, for the most urgent lookup, which is leased to whoever is granted it. Who is granted one owes an
    /// `endSending`, as soon as its request was handed to the kernel, or will not be.
    /// - Parameter worker: the name of the asking process.
    func permit(worker: String) throws(RateLimiterError) -> Permit

    /// What `permit` would say now.
    func peek(worker: String) throws(RateLimiterError) -> Prospect

    /// The call of the last permit leaves nobody else waiting any more. Costs no transaction.
    /// - Parameter wasSent: its request has been handed to the kernel; else it will not be.
    func endSending(wasSent: Bool)

    /// The permit was not used while it was fresh (`Lease.isFresh`). The slot is gone; the lookup is free again at once and the attempt is not
    /// counted. Nothing happens when the lease is no longer current.
    func losePermit(_ lease: Lease) throws(RateLimiterError)

    /// Ends a lease.
    ///
    /// The lease's number is the fence: nobody whose lease has gone to another can end the lookup or have `storing` run.
    ///
    /// - Parameter store: runs only when the lease is current, and before anybody of this host can have the lookup: what it writes elsewhere is
    ///   written while no other process of the host can take the lookup over. It must not call this limiter. When it throws, nothing is changed
    ///   and `storing` is thrown.
    /// - Parameter others: asked after that: the keys of other lookups that are answered by it, too. Those that nobody has leased leave the queue.
    /// - Returns: false when the lease is not current any more (it ran out and another has it, or the lookup is gone).
    func finish(
        _ lease: Lease, _ result: LeaseResult, storing store: () throws -> Void, answering others: () -> [String]
    ) throws(RateLimiterError) -> Bool

    // MARK: The queue

    /// Puts lookups into the queue. A key that is in it already is not queued twice: it takes the more urgent priority and the later
    /// `attendedUntil` of the two.
    /// - Returns: one admission for each ask, in their order.
    func enqueue(_ asks: [Ask]) throws(RateLimiterError) -> [Admission]

    /// Puts a lookup into the place of the first of several that wait, for the same client and as long, since it may spare them all; that one goes
    /// to the end of its line.
    /// - Parameter fewest: unless so many of them wait it is not queued; nor where it is in the queue already.
    /// - Returns: whether it was queued.
    func enqueue(_ key: String, inPlaceOf others: [String], fewest: Int) throws(RateLimiterError) -> Bool

    /// Where lookups stand.
    /// - Parameter estimating: false leaves `ahead` and `wait` zero, and is much cheaper for many keys.
    /// - Returns: one state for each key, in their order.
    func states(of keys: [String], estimating: Bool) throws(RateLimiterError) -> [LookupState]

    /// What is in the queue, by rank and then in the order in which it came.
    /// - Parameter failed: what was given up, or what was not; nil: both.
    func queued(atMost most: Int, failed: Bool?) throws(RateLimiterError) -> [QueuedLookup]

    // MARK: Pauses

    /// Spotify answered 429: no call until the cooldown ends, by anybody, restarts included.
    /// - Parameter retryAfter: as Spotify named it, at most 30 days; nil or zero: 30 s, doubling up to an hour while it repeats.
    /// - Parameter quotaExceeded: the answer said QUOTA_EXCEEDED, not merely too many calls lately.
    /// - Returns: the cooldown's end in wall-clock milliseconds; never earlier than it was.
    /// - Throws: when it could not be written. This process keeps to it all the same, and writes it later.
    func coolDown(_ retryAfter: Duration?, quotaExceeded: Bool) throws(RateLimiterError) -> Int64

    /// Something could not be reached: nobody of this host tries before the pause ends. Spends no slot; a success ends it.
    /// - Parameter told: how long it said that it will last, at most 30 days are believed.
    /// - Returns: the pause's end in wall-clock milliseconds.
    func backOff(_ outage: Outage, told: Duration?) throws(RateLimiterError) -> Int64

    /// A call was refused in a way that may be the account's.
    /// - Parameter refusal: to be kept in mind; `clearAccount` hands it back.
    /// - Parameter reason: for the log and the status.
    /// - Parameter saysSo: the refusal speaks of the account; else it is odd only because the thing was answered before.
    func suspectAccount(_ lease: Lease, refusal: String, reason: String, saysSo: Bool) throws(RateLimiterError) -> Suspicion

    /// The control call was refused, too: no call before the pause ends, 5 s, doubling up to ten minutes.
    /// - Returns: its end in wall-clock milliseconds; nil when the lease is not current.
    func confirmAccountRefusal(_ lease: Lease, reason: String) throws(RateLimiterError) -> Int64?

    /// The control call was answered: Spotify serves this account.
    /// - Parameter store: as in `finish`; it is given the refusal that was kept in mind, which is the thing's own then.
    /// - Returns: whether the lease was current.
    func clearAccount(
        _ lease: Lease, known: String?, storing store: (SuspectedRefusal?) throws -> Void
    ) throws(RateLimiterError) -> Bool

    // MARK: The token, and small things learned

    /// Asks who should request a new token. A worker whose claim is older than a lease's lifetime has lost it.
    /// - Parameter refusing: the token that Spotify refused, if that is why: only another one counts as current.
    func claimTokenRenewal(refusing: String?, worker: String) throws(RateLimiterError) -> TokenClaim

    /// Stores a new token for all and ends a token outage.
    /// - Parameter expiresIn: its whole life, from now.
    /// - Parameter issuedFor: tells which client's it is; not the client secret.
    func storeToken(_ token: String, expiresIn: Duration, issuedFor: String, worker: String) throws(RateLimiterError)

    /// Keeps a value under a name, for all workers of this host.
    /// - Parameter until: wall-clock milliseconds from which it is forgotten; nil: never.
    func remember(_ fact: String, _ value: String, until: Int64?) throws(RateLimiterError)

    /// The value under that name; nil when there is none or its time is over.
    func recall(_ fact: String) throws(RateLimiterError) -> String?

    /// Everything an operator may want to know.
    func status() throws(RateLimiterError) -> RateLimiterStatus
}

extension RateLimiter {
    public func finish(
        _ lease: Lease, _ result: LeaseResult, storing store: () throws -> Void = {}
    ) throws(RateLimiterError) -> Bool {
        try finish(lease, result, storing: store, answering: { [] })
    }

    public func states(of keys: [String]) throws(RateLimiterError) -> [LookupState] { try states(of: keys, estimating: true) }

    public func queued(atMost most: Int) throws(RateLimiterError) -> [QueuedLookup] { try queued(atMost: most, failed: nil) }

    public func backOff(_ outage: Outage) throws(RateLimiterError) -> Int64 { try backOff(outage, told: nil) }
}

/// One host alone: everything in a file that its processes lock. (Said here, since what the file's extensions declare is in the protocol.)
extension FileRateLimiter: RateLimiter {}
