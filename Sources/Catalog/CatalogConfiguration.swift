import RateLimiting
import Spotify

/// What the catalog and its lookup thread need to know.
public struct CatalogConfiguration: Sendable {
    /// nil: nothing is looked up, what is known is served.
    public var credentials: SpotifyCredentials?
    public var endpoints: SpotifyEndpoints
    /// `SPOTIFY_MARKET`.
    public var market: Market?
    /// `SPOTIFY_CACHE_TTL`: from then on a record is due.
    public var recordTTL: Duration
    /// `TEMP_CACHE_TTL`: for refusals and search results.
    public var temporaryTTL: Duration
    /// Names this worker to the others: unique on the host, `<pid>-<start>` say.
    public var worker: String
    /// Told of each call for which a permit was spent, and why it was made, on the lookup thread.
    public var noteCall: @Sendable (Priority) -> Void = { _ in }
    /// Told how each call ended, and how long after its first byte was sent (or, where none was, after it was begun), on the lookup thread.
    public var noteResult: @Sendable (CallResult.Kind, Duration) -> Void = { _, _ in }
    /// Told how long each permit that was granted took to take, in nanoseconds: the transaction and the wait for the file's lock.
    public var noteTurn: @Sendable (UInt64) -> Void = { _ in }
    /// Told of each lookup that has ended with an answer: its name, without what was typed, and 200 or the status of Spotify's refusal.
    public var noteLookup: @Sendable (_ name: String, _ status: Int) -> Void = { _, _ in }

    public init(
        credentials: SpotifyCredentials?, endpoints: SpotifyEndpoints, market: Market?, recordTTL: Duration, temporaryTTL: Duration,
        worker: String
    ) {
        self.credentials = credentials
        self.endpoints = endpoints
        self.market = market
        self.recordTTL = recordTTL
        self.temporaryTTL = temporaryTTL
        self.worker = worker
    }
}
