import CLibCurl
import Platform

/// One request on its own curl handle, from opening the connection to its end. Lives on the client's thread.
///
/// curl calls `pass` when the connection is ready (name, TCP and TLS done, or a kept connection taken up) and before it sends
/// (CURLOPT_PREREQFUNCTION). The request line and headers are written after that, so the gate can still name them.
final class Transfer {
    /// Bodies over this are not taken.
    private static let largestBody = 8 << 20

    let handle: UnsafeMutableRawPointer
    private let basePath: String
    /// Nil for a token request, which needs no permit.
    private let gate: (() -> Gate)?
    /// To be told, once, when the request was written.
    private var sent: (() -> Void)?
    private let finish: (Ending) -> Void
    private var stage = Stage.connecting
    /// The request is written, or about to be.
    private var isPassed = false
    private var body: [UInt8] = []
    private var overflowed = false
    private var retryAfter: Duration?
    /// curl reads it while the transfer runs.
    private var headers: UnsafeMutablePointer<curl_slist>?
    /// curl writes its words about a failure here.
    private let words = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    /// Nil when curl is out of memory.
    init?(
        to address: BaseAddress, path: String, endpoints: SpotifyEndpoints, gate: (() -> Gate)?, sent: (() -> Void)? = nil,
        finish: @escaping (Ending) -> Void
    ) {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        self.basePath = address.path
        self.gate = gate
        self.sent = sent
        self.finish = finish
        words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard prepare(address.origin + address.path + path, endpoints) else { return nil }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
        words.deallocate()
    }

    /// Adds a header line; false when out of memory.
    func add(header: String) -> Bool {
        guard let longer = curl_slist_append(headers, header) else { return false }
        headers = longer
        return ccurl_set_list(handle, CURLOPT_HTTPHEADER, longer) == CURLE_OK
    }

    /// Called on the client's thread when curl says that the transfer is over.
    func end(code: CURLcode) {
        let said = String(cString: words)
        finish(
            Ending(
                stage: stage, code: code, words: said.isEmpty ? String(cString: curl_easy_strerror(code)) : said,
                status: Int(ccurl_info_long(handle, CURLINFO_RESPONSE_CODE)), body: body, overflowed: overflowed, retryAfter: retryAfter,
                endedAt: SystemClock().monotonic))
    }

    /// curl writes a request in the same round in which the gate has let it pass, so after that round it is with the kernel.
    func tellSent() {
        guard isPassed, let sent else { return }
        self.sent = nil
        sent()
    }

    /// The connection is ready. Asks the gate, once: curl comes here again when a kept connection died under the request and it
    /// means to send it once more (`Curl_retry_request`), and that would be a second call on one permit.
    private func pass() -> CInt {
        guard stage == .connecting else {
            stage = .refusedResend
            return sendNothing()
        }
        switch gate?() {
        case nil: break
        case .hold:
            stage = .held
            return sendNothing()
        case .send(let target, let bearer, let deadline):
            guard Header.isTarget(target), Header.isToken(bearer),
                ccurl_set_string(handle, CURLOPT_REQUEST_TARGET, basePath + target) == CURLE_OK,
                add(header: "Authorization: Bearer \(bearer)")
            else {
                stage = .malformed
                return sendNothing()
            }
            // Last of all: whatever took so long, the permit is not good any more.
            guard SystemClock().boot <= deadline else {
                stage = .held
                return sendNothing()
            }
        }
        isPassed = true
        stage = .sent(at: SystemClock().monotonic)
        return CURL_PREREQFUNC_OK
    }

    /// Ends the transfer without a byte and keeps the connection for the next one. CURL_PREREQFUNC_ABORT would close it; curl looks
    /// at CURLOPT_CONNECT_ONLY right after this callback (lib/multi.c, MSTATE_DO), finds nothing left to do, and returns the
    /// connection, which was not opened as connect-only, to its pool.
    private func sendNothing() -> CInt {
        ccurl_set_long(handle, CURLOPT_CONNECT_ONLY, 1) == CURLE_OK ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
    }

    /// To be called before the handle leaves curl: `curl_multi_remove_handle` closes the connection of a handle that is connect-only.
    func keepConnection() {
        _ = ccurl_set_long(handle, CURLOPT_CONNECT_ONLY, 0)
    }

    private func take(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard body.count + bytes.count <= Self.largestBody else {
            overflowed = true
            return 0
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }

    private func take(headerLine line: String) {
        if let wait = RetryAfter.read(line: line) { retryAfter = wait }
    }

    private func prepare(_ url: String, _ endpoints: SpotifyEndpoints) -> Bool {
        TransferOptions.set(on: handle, url: url, endpoints: endpoints, largestBody: Self.largestBody)
            && ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, words) == CURLE_OK && receive(Unmanaged.passUnretained(self).toOpaque())
            && add(header: "Accept: application/json")
    }

    /// The callbacks. curl calls them only inside `curl_multi_perform`, while the client holds this transfer.
    private func receive(_ owner: UnsafeMutableRawPointer) -> Bool {
        let passed = ccurl_set_prereq(handle) { owner, _, _, _, _ in
            owner.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue().pass() } ?? CURL_PREREQFUNC_ABORT
        }
        let written = ccurl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { data, size, count, owner in
            guard let data, let owner else { return 0 }
            let bytes = UnsafeRawBufferPointer(start: data, count: size * count).assumingMemoryBound(to: UInt8.self)
            return Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue().take(bytes)
        }
        let headed = ccurl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { data, size, count, owner in
            guard let data, let owner else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: data, count: size * count), as: UTF8.self)
            Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue().take(headerLine: line)
            return size * count
        }
        return [passed, written, headed].allSatisfy { $0 == CURLE_OK }
            && [CURLOPT_PREREQDATA, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_PRIVATE].allSatisfy {
                ccurl_set_pointer(handle, $0, owner) == CURLE_OK
            }
    }

    /// Makes it a token request, on a connection of its own that is not kept: there is one an hour.
    /// - Parameter authorization: a header line; nil: none.
    func becomeTokenRequest(_ form: String, _ authorization: String?) -> Bool {
        ccurl_set_string(handle, CURLOPT_COPYPOSTFIELDS, form) == CURLE_OK
            && ccurl_set_long(handle, CURLOPT_FRESH_CONNECT, 1) == CURLE_OK && ccurl_set_long(handle, CURLOPT_FORBID_REUSE, 1) == CURLE_OK
            && (authorization.map(add(header:)) ?? true)
    }
}

/// The curl options that every transfer has, token requests included.
private enum TransferOptions {
    /// False when curl refuses one: it is out of memory, or too old (7.87 is needed).
    static func set(on handle: UnsafeMutableRawPointer, url: String, endpoints: SpotifyEndpoints, largestBody: Int) -> Bool {
        let longest = Int(max(1, endpoints.timeout.pollMilliseconds))
        var strings = [(CURLOPT_URL, url), (CURLOPT_PROTOCOLS_STR, "http,https"), (CURLOPT_USERAGENT, endpoints.userAgent)]
        // A plain http address is a stand-in or a local relay: never by the environment's proxy, which could not take the target.
        if url.hasPrefix("http://") { strings.append((CURLOPT_PROXY, "")) }
        let longs: [(CURLoption, Int)] = [
            (CURLOPT_TIMEOUT_MS, longest), (CURLOPT_CONNECTTIMEOUT_MS, longest),
            (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2), (CURLOPT_SSLVERSION, 6),  // CURL_SSLVERSION_TLSv1_2
            (CURLOPT_HTTP_VERSION, 2),  // CURL_HTTP_VERSION_1_1: one call on a connection at a time, and the gate before each
            (CURLOPT_FOLLOWLOCATION, 0),
            (CURLOPT_NOSIGNAL, 1),  // threads; curl and its TLS write with MSG_NOSIGNAL
            (CURLOPT_TCP_KEEPALIVE, 1), (CURLOPT_TCP_KEEPIDLE, 30), (CURLOPT_TCP_KEEPINTVL, 10),
            (CURLOPT_QUICK_EXIT, 1),  // a name lookup that hangs is not waited for when its transfer has timed out
        ]
        return strings.allSatisfy { ccurl_set_string(handle, $0, $1) == CURLE_OK }
            && longs.allSatisfy { ccurl_set_long(handle, $0, $1) == CURLE_OK }
            && ccurl_set_large(handle, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(largestBody)) == CURLE_OK
    }
}

/// What the owner of a call says when its connection is ready. Printing or reflecting on it never shows the token.
public enum Gate: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Send now: the request target (`/v1/tracks/ID?market=SE`, percent-encoded), the access token, and after when it is too late for that;
    /// then it is held.
    case send(target: String, bearer: String, until: BootTime = .never)
    /// Not now: nothing is sent, the connection is kept.
    case hold

    public var description: String {
        switch self {
        case .send: "send"
        case .hold: "hold"
        }
    }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
