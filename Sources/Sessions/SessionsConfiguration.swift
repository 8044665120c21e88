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
