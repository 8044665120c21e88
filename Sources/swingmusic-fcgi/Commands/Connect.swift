import ArgumentParser
import Gateway
import Glibc
import JSON
import Platform
import RateLimiting
import Spotify

/// `swingmusic-fcgi connect`: has the household's own Spotify account lend itself.
struct Connect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connect a Spotify account, so that its playlists come with their items.",
        discussion: """
            In development mode Spotify gives a playlist's items to its owner and collaborators alone. This asks the owner's consent in a browser \
            and keeps what Spotify gives for it, sealed, in the data folder; running workers use it with their next call. It asks for no scope: \
            only public playlists come so. With --private those that are not public are asked for as well, for signed-in users alone, as \
            SPOTIFY_PRIVATE_PLAYLISTS has it. The consent lasts six months. The address http://127.0.0.1:PORT/ must be among the redirect URIs \
            at the app's page (developer.spotify.com). Needs SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET; started as root it acts as the owner of \
            the data folder.

            EXAMPLES
              sudo swingmusic-fcgi connect
              sudo swingmusic-fcgi connect --private
            """)

    @Flag(name: .customLong("private"), help: "Ask for playlists that are not public, too.")
    var isPrivate = false

    @Option(help: "The port that the browser is sent back to.")
    var port = 8898

    @OptionGroup var environment: EnvironmentOptions

    /// How long the owner has.
    private static let patience = Duration.seconds(600)

    func validate() throws {
        guard (1024...65_535).contains(port) else { throw ValidationError("--port is a number from 1024 to 65535") }
    }

    func run() throws {
        let folder = try DataFolder(environment)
        guard let credentials = folder.settings.credentials else { throw ConnectFault.noCredentials }
        guard !isPrivate || folder.settings.privatePlaylists != nil else { throw ConnectFault.notPrivate }
        let consent = AccountConsent(clientID: credentials.clientID, port: port, isPrivate: isPrivate)
        let door = try RedirectDoor(port: port)
        print("Open this address in a browser that is signed in to the account, and agree:")
        print("")
        print("  \(consent.address(at: folder.settings.spotify.accountsURL))")
        print("")
        print("Where Spotify says 'Invalid redirect URI', add \(consent.redirect) at the app's page and open it once more.")
        print("Is the browser on another machine, it ends at a page that cannot be shown: paste the address of that page here.")
        // Whoever reads a pipe shall see it while this waits.
        fflush(nil)
        let code = try door.code(for: consent, within: Self.patience)
        let file = AccountFile(folder: folder.path)
        let tokens = try exchange(code, consent, folder.settings)
        let lock = try file.lock()
        guard lock.lock(within: .seconds(15)) else { throw ConnectFault.busy }
        defer { lock.unlock() }
        try file.connect(tokens, consentedAt: SystemClock().wall.milliseconds, isPrivate: isPrivate, credentials)
        print("Connected. The consent ends on \(file.standing()?.endDay ?? "a day in six months"): run this once more before.")
        print("Playlists that were fetched without items are asked for again now, one after the other.")
    }

    private func exchange(_ code: String, _ consent: AccountConsent, _ settings: Settings) throws -> AccountTokens {
        let limiter = try FileRateLimiter(of: settings, log: .silent)
        if let cooldown = try limiter.status().cooldown { throw ConnectFault.cooldown(cooldown.endsAt) }
        let client = try SpotifyClient(endpoints: settings.spotify, log: .silent)
        var outcome: Result<AccessToken, SpotifyError>?
        client.requestToken(AccountTokenRequest(code: code, consent)) { outcome = $0 }
        while client.active > 0 { client.poll(for: .milliseconds(200), wake: nil) }
        switch outcome {
        case .success(let token):
            guard let refresh = token.refreshToken else { throw ConnectFault.noRefreshToken }
            guard !isPrivate || token.scopes?.isSuperset(of: AccountConsent.privateScopes) ?? true else { throw ConnectFault.noScope }
            return AccountTokens(
                refresh: refresh, access: token.token, accessEndsAt: (SystemClock().wall + token.expiresIn).milliseconds)
        case .failure(.rateLimited(let retryAfter, let quotaExceeded)):
            throw ConnectFault.cooldown(try limiter.coolDown(retryAfter, quotaExceeded: quotaExceeded))
        case .failure(let error): throw ConnectFault.exchange(error, redirect: consent.redirect)
        case nil: throw ConnectFault.exchange(.timedOut, redirect: consent.redirect)
        }
    }
}

/// `swingmusic-fcgi disconnect`: forgets the account's token.
struct Disconnect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget the connected Spotify account's token.",
        discussion: """
            Running workers go on without it from their next call. What was fetched of public playlists stays; what was fetched of others \
            is removed. At Spotify the consent is taken back \
            on the account's page of apps. Exits 3 when no account is connected.

            EXAMPLES
              sudo swingmusic-fcgi disconnect
            """)

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let folder = try DataFolder(environment)
        let file = AccountFile(folder: folder.path)
        guard file.stamp != nil else {
            Output.complain("no Spotify account is connected")
            throw ExitStatus.nothingThere
        }
        let lock = try file.lock()
        // Who renews a token just now would write it down again.
        guard lock.lock(within: .seconds(15)) else { throw ConnectFault.busy }
        defer { lock.unlock() }
        _ = try file.remove()
        print("The token is forgotten. To take the consent back at Spotify: https://www.spotify.com/account/apps/")
    }
}

/// Why no account was connected: each says what to do.
private enum ConnectFault: Error, CustomStringConvertible {
    case noCredentials
    case notPrivate
    case noScope
    case port(Int, String)
    case denied(String, redirect: String)
    case nobodyCame
    case exchange(SpotifyError, redirect: String)
    case cooldown(Int64)
    case noRefreshToken
    case busy

    var description: String {
        switch self {
        case .noCredentials:
            "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not in what this command reads: run it with --env-file and the file that sets them"
        case .notPrivate:
            "SPOTIFY_PRIVATE_PLAYLISTS is not set, so nobody would see them: set it to admin or users, restart 'serve', and run this once more"
        case .noScope: "the owner did not agree to playlists that are not public: run this once more, and agree, or leave --private out"
        case .port(let port, let reason):
            "port \(port) of 127.0.0.1 cannot be had (\(reason)): name another with --port, and add its address at the app's page"
        case .denied("access_denied", _): "the owner did not agree: run this once more, and agree"
        case .denied(let code, let redirect):
            "Spotify refused to ask (\(code.prefix(60).filter { $0.isLetter || $0 == "_" })): see that the app's page has \(redirect), and run this once more"
        case .nobodyCame: "nobody agreed within ten minutes: run this once more"
        case .exchange(.grantRefused(let reason), let redirect):
            "Spotify does not take the code (\(reason)): it is good once and for some minutes; see that the app's page has \(redirect), and run this once more"
        case .exchange(.badCredentials(let reason), _):
            "Spotify does not know the app (\(reason)): copy SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET anew from its page, and run this once more"
        case .exchange(let error, _): "\(error): see that the host reaches SPOTIFY_ACCOUNTS_URL, and run this once more"
        case .cooldown(let end): "Spotify has told us to wait until \(Output.time(end)): run this then"
        case .noRefreshToken: "Spotify gave a token for an hour alone, and none to renew it with: run this once more"
        case .busy: "another process is at the account just now: run this once more"
        }
    }
}

/// Where the browser is sent back to: a port of this machine's own, or an address that somebody pastes.
private struct RedirectDoor {
    private let listener: CInt

    init(port: Int) throws(ConnectFault) {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: CInt = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        guard isBound, listen(listener, 8) == 0 else { throw .port(port, SystemError("bind").reason) }
    }

    /// The code that comes back, by the browser or by hand. Answers of other askings are left alone.
    func code(for consent: AccountConsent, within patience: Duration) throws(ConnectFault) -> String {
        let clock = SystemClock()
        let end = clock.monotonic + patience
        var isReading = true
        defer { close(listener) }
        while clock.monotonic < end {
            var waited = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            if isReading { waited.append(pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)) }
            guard poll(&waited, nfds_t(waited.count), 500) > 0 else { continue }
            var said: AccountConsent.Answer = .none
            if waited[0].revents != 0 { said = answerBrowser(consent) }
            if waited.count > 1, waited[1].revents != 0 {
                if let line = readLine() {
                    said = consent.answer(in: line)
                    if said == .none, !line.isEmpty {
                        Output.complain("that is no address with an answer: paste all of it, from http to the end")
                    }
                } else {
                    isReading = false
                }
            }
            switch said {
            case .code(let code): return code
            case .denied(let code): throw .denied(code, redirect: consent.redirect)
            case .foreign: Output.complain("an answer to another asking came, and is left alone: open the address above")
            case .none: continue
            }
        }
        throw .nobodyCame
    }

    private func answerBrowser(_ consent: AccountConsent) -> AccountConsent.Answer {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return .none }
        defer { close(connection) }
        // A browser sends it at once; who does not is no browser.
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var request: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while request.count < 16_384, !request.contains(UInt8(ascii: "\n")) {
            let count = recv(connection, &piece, piece.count, 0)
            guard count > 0 else { break }
            request += piece.prefix(count)
        }
        let words = String(decoding: request.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }, as: UTF8.self).split(
            separator: " ")
        let said = words.count == 3 && words[0] == "GET" && words[1].hasPrefix("/?") ? consent.answer(in: String(words[1])) : .none
        let (status, text) =
            switch said {
            case .code: ("200 OK", "Thank you. You may close this page.")
            case .denied: ("200 OK", "Nothing was connected. You may close this page.")
            case .foreign: ("400 Bad Request", "This is an answer to another asking.")
            case .none: ("404 Not Found", "Nothing is here.")
            }
        let answer =
            "HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \(text.utf8.count)\r\n"
            + "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n\(text)"
        let bytes = Array(answer.utf8)
        _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        return said
    }
}
