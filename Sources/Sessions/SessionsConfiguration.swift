import CSystem
import Glibc

/// What the room has to be told.
public struct SessionsConfiguration: Sendable {
    /// swingmusic's folder, with `swingmusic.db` and `settings.json`, or the one above it.
    public var swingmusicFolder: String
    /// Our own, for `sessions.db`.
    public var dataFolder: String
    /// Whether anybody may register once there is an admin, as swingmusic allows.
    public var isRegistrationOpen: Bool
    /// Origins that may send cookies from elsewhere.
    public var origins: [String]

    public init(swingmusicFolder: String, dataFolder: String, isRegistrationOpen: Bool = false, origins: [String] = []) {
        self.swingmusicFolder = swingmusicFolder
        self.dataFolder = dataFolder
        self.isRegistrationOpen = isRegistrationOpen
        self.origins = origins
    }
}

/// The wall clock, passed in so that tests can set it.
public struct SessionClock: Sendable {
    /// Milliseconds since 1970.
    public let now: @Sendable () -> Int64

    public init(now: @escaping @Sendable () -> Int64) { self.now = now }

    public static let system = SessionClock { csys_wall_ms() }
}

/// How long a statement waits for another process's lock.
enum LockTimeout {
    /// On a request's way: about 250 ms, in short steps since locks here are held for a millisecond.
    static let brief: @Sendable (Int) -> Bool = { attempt in
        guard attempt < 250 else { return false }
        usleep(attempt < 10 ? 300 : 1000)
        return true
    }

    /// Off the requests' way: about 5 s.
    static let long: @Sendable (Int) -> Bool = { attempt in
        guard attempt < 2500 else { return false }
        usleep(2000)
        return true
    }
}
