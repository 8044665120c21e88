/// What swingmusic's `settings.json` says about sessions.
struct Settings: Sendable {
    /// Salt of the password hashes, and in its characters the key of the tokens.
    let serverID: String
    /// Salt of hashes made before `serverID`; nil where there is none.
    let legacyServerID: String?
    let listsUsersOnLogin: Bool
    let key: SigningKey

    /// nil where the text holds no usable `serverId`.
    init?(text: [UInt8]) {
        guard let value = try? JSONReader.read(text), let serverID = value["serverId"]?.text, let key = SigningKey(serverID: serverID)
        else { return nil }
        self.serverID = serverID
        self.key = key
        let legacy = value["legacy_serverId"]?.text ?? ""
        legacyServerID = legacy.isEmpty ? nil : legacy
        listsUsersOnLogin = value["usersOnLogin"]?.isTruthy ?? true
    }
}
