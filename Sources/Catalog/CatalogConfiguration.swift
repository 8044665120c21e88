import Spotify

/// What the catalog and its lookup thread need to know.
public struct CatalogConfiguration: Sendable {
    /// nil: nothing is looked up, what is known is served.
    public var credentials: SpotifyCredentials?
    public var endpoints: SpotifyEndpoints
    /// `SPOTIFY_MARKET`.
    public var market: Market?
    /// `TEMP_CACHE_TTL`: for refusals and search results.
    public var temporaryTTL: Duration
    /// Names this worker to the others: unique on the host, `<pid>-<start>` say.
    public var worker: String

    public init(credentials: SpotifyCredentials?, endpoints: SpotifyEndpoints, market: Market?, temporaryTTL: Duration, worker: String) {
        self.credentials = credentials
        self.endpoints = endpoints
        self.market = market
        self.temporaryTTL = temporaryTTL
        self.worker = worker
    }
}
