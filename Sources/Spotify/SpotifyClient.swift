import CLibCurl
import CSystem
import Logging
import Platform

/// Calls of the Web API, on one thread that calls `poll` over and over; `SpotifyClient` says what each of these does. What else there is
/// simulates the time that they take.
public protocol SpotifyCalls: AnyObject {
    var active: Int { get }
    func begin(gate: @escaping () -> Gate, sent: @escaping () -> Void, completion: @escaping (CallResult) -> Void)
    func requestToken(_ credentials: SpotifyCredentials, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void)
    func requestToken(_ request: AccountTokenRequest, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void)
    func poll(for longest: Duration, wake: EventFD?)
}

/// Talks to Spotify over libcurl's multi interface. It belongs to one thread, which calls `poll` over and over; gates and completions
/// are called on that thread, from inside `poll`. It never waits for the network longer than `poll` was told.
///
/// Certificates are always verified, redirects never followed, and a request is sent at most once.
public final class SpotifyClient: SpotifyCalls {
    private let endpoints: SpotifyEndpoints
    private let api: BaseAddress
    private let accounts: BaseAddress
    private let log: Logger
    private let multi: UnsafeMutableRawPointer
    /// Begun, and not yet given to curl: a gate or a completion may begin another call.
    private var begun: [Transfer] = []
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private var kept = KeptConnection()

    /// Throws `.badRequest` when an address is no http or https address, `.unreachable` when libcurl cannot be set up.
    public init(endpoints: SpotifyEndpoints, log: Logger) throws(SpotifyError) {
        guard let api = BaseAddress(endpoints.apiURL), let accounts = BaseAddress(endpoints.accountsURL) else {
            throw .badRequest("the address of the Web API or of the accounts service is not an http or https address")
        }
        guard curlIsSetUp, let multi = curl_multi_init() else { throw .unreachable("libcurl cannot be set up") }
        self.endpoints = endpoints
        self.api = api
        self.accounts = accounts
        self.log = log
        self.multi = multi
        // Room for the kept connections of a few calls at once; curl would otherwise close some when calls are few.
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 8)
    }

    deinit {
        for handle in running.keys { curl_multi_remove_handle(multi, handle) }
        running.removeAll()
        curl_multi_cleanup(multi)
    }

    /// Calls that have not ended, token requests among them.
    public var active: Int { begun.count + running.count }

    /// Whether the next call will probably find an open connection. It may have died without a sign.
    public var hasWarmConnection: Bool { kept.isAlive }

    /// Begins one GET of the Web API. The connection comes first: name, TCP and TLS, or a kept one. When it is ready and before a byte
    /// is sent, `gate` is called, once. Says it `.send`, the request is written before `poll` does anything else; `.hold` ends the
    /// call with `.held` and keeps the connection. `sent` is called when the request has been handed to the kernel, before anything else
    /// is heard of the call.
    ///
    /// A kept connection that turns out dead after the gate ends the call with `.cut`: the request is not sent again on one permit.
    public func begin(gate: @escaping () -> Gate, sent: @escaping () -> Void = {}, completion: @escaping (CallResult) -> Void) {
        let transfer = Transfer(to: api, path: "/v1/", endpoints: endpoints, gate: gate, sent: sent) { [log] ending in
            let result = ending.callResult
            log.debug(
                "call of the Web API ended",
                metadata: [
                    "status": .stringConvertible(ending.status), "bytes": .stringConvertible(ending.body.count),
                    "result": "\(result.summary)",
                ])
            completion(result)
        }
        guard let transfer else { return completion(.failure(.unreachable("libcurl is out of memory"))) }
        begun.append(transfer)
    }

    /// Asks the accounts service for a token (client-credentials flow). It spends no permit and has no gate.
    public func requestToken(_ credentials: SpotifyCredentials, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {
        requestToken("grant_type=client_credentials", Header.basic(credentials), completion)
    }

    /// The same on behalf of an account. It waits for nothing, but is not to be asked for during a cooldown.
    public func requestToken(_ request: AccountTokenRequest, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {
        requestToken(request.form, nil, completion)
    }

    private func requestToken(
        _ form: String, _ authorization: String?, _ completion: @escaping (Result<AccessToken, SpotifyError>) -> Void
    ) {
        let transfer = Transfer(to: accounts, path: "/api/token", endpoints: endpoints, gate: nil) { [log] ending in
            log.debug("token request ended", metadata: ["status": .stringConvertible(ending.status)])
            completion(ending.tokenResult)
        }
        guard let transfer, transfer.becomeTokenRequest(form, authorization) else {
            return completion(.failure(.unreachable("libcurl is out of memory")))
        }
        begun.append(transfer)
    }

    /// One round: does what can be done at once; when that ended no call, waits until something happens on curl's connections,
    /// `wake` is signalled (and takes the signal), or the time is over; then does what that allows. Calls completions on the way.
    /// - Parameter longest: the longest wait; zero for none.
    public func poll(for longest: Duration, wake: EventFD?) {
        advance()
        wait(deliver() ? .zero : longest, wake)
        advance()
        _ = deliver()
    }

    private func advance() {
        let fresh = begun
        begun.removeAll()
        for transfer in fresh {
            running[transfer.handle] = transfer
            if curl_multi_add_handle(multi, transfer.handle) != CURLM_OK {
                running[transfer.handle] = nil
                transfer.end(code: CURLE_OUT_OF_MEMORY)
            }
        }
        guard !running.isEmpty else { return }
        var count: CInt = 0
        let code = curl_multi_perform(multi, &count)
        for transfer in running.values { transfer.tellSent() }
        if code != CURLM_OK { log.error("libcurl failed", metadata: ["reason": "\(String(cString: curl_multi_strerror(code)))"]) }
    }

    /// Completes what has ended; whether anything had.
    private func deliver() -> Bool {
        var any = false
        var left: CInt = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let code = message.pointee.data.result
            kept.note(socket: ccurl_kept_socket(handle), now: SystemClock().monotonic)
            let transfer = running.removeValue(forKey: handle)
            transfer?.keepConnection()
            curl_multi_remove_handle(multi, handle)
            transfer?.end(code: code)
            any = true
        }
        return any
    }

    private func wait(_ longest: Duration, _ wake: EventFD?) {
        let longest = begun.isEmpty ? longest : .zero
        if running.isEmpty, let wake {
            // To the fraction of a millisecond: the next permit may be due then.
            wake.wait(within: longest)
            return
        }
        var extra = curl_waitfd(fd: wake?.descriptor ?? -1, events: CShort(CURL_WAIT_POLLIN), revents: 0)
        curl_multi_poll(multi, &extra, wake == nil ? 0 : 1, longest.pollMilliseconds, nil)
        if extra.revents != 0 { wake?.take() }
    }
}

/// Once for the process: libcurl's own set-up. Debian's libcurl makes it safe on any thread.
private let curlIsSetUp = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

/// What is known of the connection that curl kept after the last call.
private struct KeptConnection {
    /// curl does not take up a connection that was idle for longer (CURLOPT_MAXAGE_CONN, 118 s), so neither count on it.
    private static let longestIdle = Duration.seconds(110)

    private var socket: CInt = -1
    private var since = MonotonicTime(nanoseconds: 0)

    /// A call has ended; `socket` is -1 when its connection was closed.
    mutating func note(socket: CInt, now: MonotonicTime) {
        self.socket = socket
        since = now
    }

    /// Open, as far as can be seen from here.
    var isAlive: Bool {
        socket >= 0 && SystemClock().monotonic - since < Self.longestIdle && csys_has_hung_up(socket) == 0
    }
}
