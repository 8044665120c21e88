import Platform
import RateLimiting
import Spotify

/// What is to be done about lookups.
enum LookupAction {
    case tell(SingleFlight.Told)
    /// Ask the limiter's file. It may fail.
    case ask(LimiterRequest)
    /// Find out why these callers' lookups come so late, if that can be had: `explained`.
    case explain([SingleFlight.Late])
    /// Look for records that are to be renewed: `renew`.
    case findDue(before: WallTime, usedSince: WallTime, twiceSince: WallTime)
    /// Make a connection ready; then `reachGate`, or `ended` when none came about.
    case begin(call: Int)
    /// Send the request, now; then `ended`.
    case send(call: Int, CallTarget)
    case note(Note)

    /// What the log shall say.
    enum Note {
        case unknownLookup(String)
        case failed(Resource, reason: String, attempt: Int, pause: Duration)
        case notStored(Resource, String)
        case tokenRefused(Resource)
        case batchRefused(Resource, reason: String)
        case rateLimited(quotaExceeded: Bool, Duration)
        case unreachable(reason: String, Duration)
    }

    /// What the end of a lease means for those who wait here.
    enum Sequel {
        case nothing
        /// Its answer is here, from another call.
        case finish(Resource)
        /// It is given up, where the lease was still ours.
        case fail(Resource, WaitOutcome)
    }
}

/// What is asked of the limiter's file, or written to it.
enum LimiterRequest {
    /// Answered by `queued`.
    case enqueue([SingleFlight.Wanted], for: [Waiter])
    /// Answered by `queuedRenewals`.
    case enqueueRenewals([Refresh.Due])
    /// Queue a search in place of the tracks that it may bring.
    case search(AlbumSearch)
    /// Whether anybody has changed the file: `changed`.
    case changeCounter
    /// Where lookups stand: `found`.
    case states([Resource])
    /// Whether a permit is due: `foresaw`.
    case prospect
    /// A fresh token: `hasToken`, or `mustWait`.
    case token
    /// Why no call is made: `isOut`.
    case outage(until: MonotonicTime, after: Duration)
    /// The right to make a call at once: `granted`, or `deniedPermit`.
    case permit(call: Int)
    /// The slot was not used; it is gone.
    case losePermit(Lease)
    /// Answered by `finished`.
    case finish(Lease, LeaseResult, then: LookupAction.Sequel)
    /// Store it and finish the lease, in one transaction, while the lease is ours: `stored`, or `couldNotStore`.
    case store(LeasedLookup, Lesson)
    /// The same for several lookups of one call: `storedTogether`, or `couldNotStore`.
    case storeTogether(LookupCall, BatchAnswer)
    /// Leases of one call end each in its way.
    case end([(lease: Lease, result: LeaseResult)])
    /// Objects of this lease's kind are asked for one by one for a while.
    case closeBatches(Lease, Duration)
    /// The token of this call was refused: `refusedToken`.
    case refuseToken(LeasedLookup, call: Int)
    /// Spotify told us to wait: `cooledDown`.
    case coolDown(LeasedLookup, retryAfter: Duration?, quotaExceeded: Bool)
    /// Spotify cannot be reached: `backedOff`.
    case backOff(reason: String, told: Duration?)
    /// A refusal that may be the account's: `suspected`.
    case suspect(LeasedLookup, NegativeEntry, ofAccount: Bool)
    /// The call that was to show it was refused as well: the account is.
    case confirmRefusal(LeasedLookup, NegativeEntry)
    /// An answer showed what kind of account this is.
    case learn(AccountMode)
}

extension Obstacle {
    /// For the log. What Spotify says of a search may repeat what was typed: of that only our own words are left.
    func loggedWords(of resource: Resource) -> String {
        guard case .search = resource, let end = words.firstRange(of: ": ") else { return words }
        return String(words[..<end.lowerBound])
    }
}

extension Resource {
    /// A page of a list, without which the list's others are still of use.
    var isPage: Bool {
        switch self {
        case .parts, .artistAlbums, .playlistItems, .search: true
        case .object, .topTracks, .playlistImages: false
        case .withEpisodes(let plain), .kept(let plain): plain.isPage
        }
    }

    /// The name for the log: without what was typed, and without whose link alone would show it.
    var loggedName: String {
        if isKept { return "private-playlist" }
        guard case .search(_, let kinds, let offset, _) = self else { return name }
        return "search/\(kinds.map(\.rawValue).joined(separator: ","))/\(offset)"
    }
}
