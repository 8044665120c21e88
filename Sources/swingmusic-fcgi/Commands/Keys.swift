import ArgumentParser
import JSON
import Platform
import Sessions

/// `swingmusic-fcgi keys`: what clients of the mirror have in place of a Spotify app.
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Make, list and end keys for clients of the mirror.",
        discussion: """
            A client key is an id and a secret. A client of Spotify's Web API asks POST /spotify/api/token (/api/token on the mirror's own host \
            name) with them for a token that reads /spotify/v1 and opens nothing else. Works on sessions.db in the data folder, beside a running \
            'serve' or without one. Needs SWINGMUSIC_CONFIG_DIR. Started as root it acts as the owner of the data folder.

            EXAMPLES
              sudo swingmusic-fcgi keys add kitchen
            """,
        subcommands: [KeysAdd.self, KeysList.self, KeysRevoke.self])

    /// Runs `body` with the sessions of the data folder, on a thread that may wait.
    fileprivate static func withSessions<Value: Sendable>(
        _ environment: EnvironmentOptions, _ body: @escaping @Sendable (Sessions, borrowing BlockingContext) throws -> Value
    ) throws -> (value: Value, isMetadataOpen: Bool) {
        let folder = try DataFolder(environment)
        let caches = try folder.openCaches(withStore: false)
        defer { caches.close() }
        let sessions = try folder.openSessions(caches)
        defer { sessions.close() }
        let value = try WorkerThread.wait(forWorkNamed: "command") { context in try body(sessions, context) }
        return (value, folder.settings.metadataAuth == .off)
    }
}

/// `keys add`: makes a key and shows its secret, once.
struct KeysAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Make a key, and show its id and secret.",
        discussion: """
            The secret is shown now and never again: a hash of it is kept. The name is for you; letters, digits, dots, hyphens and underscores.

            EXAMPLES
              sudo swingmusic-fcgi keys add kitchen
            """)

    @Argument(help: "What the key is called here, such as the program that is going to have it.")
    var name: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        guard ClientKey.isName(name) else {
            throw ValidationError("a name is letters, digits, dots, hyphens and underscores, 64 at most, a letter or digit first")
        }
    }

    func run() throws {
        let made: (value: NewClientKey, isMetadataOpen: Bool)
        do {
            made = try KeysCommand.withSessions(environment) { [name] sessions, context in
                try sessions.addClientKey(named: name, context)
            }
        } catch ClientKeyFault.taken {
            Output.complain("there is a key of that name: name it otherwise, or end that one with 'keys revoke'")
            throw ExitCode.failure
        }
        if made.isMetadataOpen { Output.complain("SWINGMUSIC_FCGI_METADATA_AUTH is off: until it is session, any id and secret will do") }
        let key = made.value
        if json { return Output.json(["name": .string(key.name), "id": .string(key.id), "secret": .string(key.secret)]) }
        print("client id      \(key.id)")
        print("client secret  \(key.secret)")
        print("The secret is not shown again.")
    }
}

/// `keys list`: all keys, without secrets.
struct KeysList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys, and when each was used last.",
        discussion: """
            Used is a key when a token is given out for it, which clients ask for about once an hour.

            EXAMPLES
              sudo swingmusic-fcgi keys list
            """)

    @Flag(help: "Print a JSON array.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let keys = try KeysCommand.withSessions(environment) { sessions, context in try sessions.clientKeys(context) }.value
        if json { return Output.json(.array(keys.map(Self.tree))) }
        if keys.isEmpty { return print("no keys") }
        let rows =
            [["NAME", "CLIENT ID", "SINCE", "LAST USED"]]
            + keys.map { [$0.name, $0.id, Output.time($0.createdAt), $0.usedAt.map(Output.time) ?? "never"] }
        for line in TextColumns.lines(rows) { print(line) }
    }

    private static func tree(_ key: ClientKey) -> JSONValue {
        [
            "name": .string(key.name), "id": .string(key.id), "createdAt": .string(Output.time(key.createdAt)),
            "usedAt": key.usedAt.map { .string(Output.time($0)) } ?? .null,
        ]
    }
}

/// `keys revoke`: ends a key.
struct KeysRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a key, and every token that was given out for it.",
        discussion: """
            It holds from the next request on, in every worker, and cannot be taken back. Exits 3 when there is no such key.

            EXAMPLES
              sudo swingmusic-fcgi keys revoke kitchen
            """)

    @Argument(help: "The key's name, as 'keys list' shows it.")
    var name: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let isRevoked = try KeysCommand.withSessions(environment) { [name] sessions, context in
            try sessions.revokeClientKey(named: name, context)
        }.value
        if json { Output.json(["revoked": .integer(isRevoked ? 1 : 0)]) }
        guard isRevoked else {
            Output.complain("there is no key of that name")
            throw ExitStatus.nothingThere
        }
        if !json { print("key \(name) ended") }
    }
}
