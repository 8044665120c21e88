/// Every setting that the program reads from its environment. A case's raw value is the variable's name.
public enum SettingName: String, CaseIterable, Sendable {
    case listen = "SWINGMUSIC_FCGI_LISTEN"
    case peers = "SWINGMUSIC_FCGI_PEERS"
    case socketMode = "SWINGMUSIC_FCGI_SOCKET_MODE"
    case socketGroup = "SWINGMUSIC_FCGI_SOCKET_GROUP"
    case dataDirectory = "SWINGMUSIC_FCGI_DATA_DIR"
    case workers = "SWINGMUSIC_FCGI_WORKERS"
    case threads = "SWINGMUSIC_FCGI_THREADS"
    case missWait = "SWINGMUSIC_FCGI_MISS_WAIT"
    case mirrorWait = "SWINGMUSIC_FCGI_MIRROR_WAIT"
    case queueLimit = "SWINGMUSIC_FCGI_QUEUE_LIMIT"
    case metadataAuth = "SWINGMUSIC_FCGI_METADATA_AUTH"
    case adminToken = "SWINGMUSIC_FCGI_ADMIN_TOKEN"
    case cacheToken = "SWINGMUSIC_FCGI_CACHE_TOKEN"
    case registration = "SWINGMUSIC_FCGI_REGISTRATION"
    case adoptTokens = "SWINGMUSIC_FCGI_ADOPT_TOKENS"
    case publicURL = "SWINGMUSIC_FCGI_PUBLIC_URL"
    case corsOrigins = "SWINGMUSIC_FCGI_CORS_ORIGINS"
    case statusCovers = "SWINGMUSIC_FCGI_STATUS_COVERS"
    case logLevel = "SWINGMUSIC_FCGI_LOG_LEVEL"
    case logFormat = "SWINGMUSIC_FCGI_LOG_FORMAT"
    case swingmusicDirectory = "SWINGMUSIC_CONFIG_DIR"
    case sharedStore = "SWINGMUSIC_FCGI_SHARED_STORE"
    case sharedStorePassword = "SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD"
    case hostName = "SWINGMUSIC_FCGI_HOST_NAME"
    case dragonflyHost = "DRAGONFLYDB_HOST"
    case dragonflyPort = "DRAGONFLYDB_PORT"
    case dragonflyDatabase = "DRAGONFLYDB_DB"
    case dragonflyPassword = "DRAGONFLYDB_PASSWORD"
    case dragonflyTimeout = "DRAGONFLYDB_TIMEOUT"
    case spotifyClientID = "SPOTIFY_CLIENT_ID"
    case spotifyClientSecret = "SPOTIFY_CLIENT_SECRET"
    case spotifyAPIURL = "SPOTIFY_API_URL"
    case spotifyAccountsURL = "SPOTIFY_ACCOUNTS_URL"
    case spotifyMinInterval = "SPOTIFY_MIN_INTERVAL"
    case spotifyCallsPerHour = "SPOTIFY_CALLS_PER_HOUR"
    case spotifyTimeout = "SPOTIFY_TIMEOUT"
    case spotifyMarket = "SPOTIFY_MARKET"
    case spotifyFillRemovedFields = "SPOTIFY_FILL_REMOVED_FIELDS"
    case spotifyPrivatePlaylists = "SPOTIFY_PRIVATE_PLAYLISTS"
    case durableCaches = "SWINGMUSIC_FCGI_DURABLE_CACHES"
    case spotifyCacheTTL = "SPOTIFY_CACHE_TTL"
    case sessionCacheTTL = "SESSION_CACHE_TTL"
    case userCacheTTL = "USER_CACHE_TTL"
    case tempCacheTTL = "TEMP_CACHE_TTL"

    /// The setting that a variable is of, in either of its two forms.
    public init?(variable: String) {
        let bare = variable.hasSuffix("_FILE") ? String(variable.dropLast(5)) : variable
        guard let name = SettingName(rawValue: variable) ?? SettingName(rawValue: bare), name.rawValue == variable || name.hasFile else {
            return nil
        }
        self = name
    }

    /// Whether a file may hold the value.
    public var hasFile: Bool { fileVariable != nil }

    /// The variable that names a file with the value, for what should not stand in an environment.
    var fileVariable: String? {
        switch self {
        case .adminToken, .cacheToken, .sharedStorePassword, .dragonflyPassword, .spotifyClientID, .spotifyClientSecret: rawValue + "_FILE"
        default: nil
        }
    }
}
