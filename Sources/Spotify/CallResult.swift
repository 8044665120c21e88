import CLibCurl

/// How far a transfer came, as far as Spotify's quota goes.
enum Stage: Equatable {
    /// Nothing of the request was sent.
    case connecting
    /// The gate has said send, at this CLOCK_MONOTONIC instant (nanoseconds).
    case sent(at: UInt64)
    /// The gate has said hold.
    case held
    /// The gate named a target or token that cannot be a request line or header.
    case malformed
    /// After sending, curl wanted to send once more on a new connection, and was not let.
    case refusedResend
}

/// Everything that is known of a transfer when it has ended.
struct Ending {
    var stage: Stage
    var code: CURLcode
    /// curl's words about `code`.
    var words: String
    /// 0 when no status line came.
    var status: Int
    var body: [UInt8]
    var overflowed: Bool
    var retryAfter: Duration?
    /// CLOCK_MONOTONIC, nanoseconds.
    var endedAt: UInt64

    /// What a call of the Web API came to.
    var callResult: CallResult {
        switch stage {
        case .held: return .held
        case .connecting, .malformed, .refusedResend: break
        case .sent(let at):
            if transportError == nil, status == 200, JSONText.isComplete(body) {
                return .answer(Answer(status: status, body: body, elapsed: .nanoseconds(Int64(endedAt &- at))))
            }
        }
        return .failure(transportError ?? statusError)
    }

    /// What a token request came to.
    var tokenResult: Result<AccessToken, SpotifyError> {
        if let transportError { return .failure(transportError) }
        if status == 200 {
            guard JSONText.isComplete(body) else { return .failure(.notJSON) }
            return AccessToken(answer: body).map { .success($0) } ?? .failure(.unexpected(status: status))
        }
        if (400..<500).contains(status), status != 429, let error = ErrorBody(body), let code = error.code {
            return .failure(.badCredentials(error.message.isEmpty ? code : "\(code): \(error.message)"))
        }
        return .failure(status == 401 ? .badCredentials(ErrorBody.words(in: body, status: status)) : statusError)
    }

    /// What went wrong before the answer was complete. A 429 counts as soon as its status is known, whatever became of its body.
    private var transportError: SpotifyError? {
        switch stage {
        case .connecting: return .unreachable(words)
        case .malformed: return .badRequest("the request target or the token has characters that cannot be sent")
        case .refusedResend: return .cut("the kept connection had died")
        case .held, .sent: break
        }
        if status == 429 { return statusError }
        if overflowed || code == CURLE_FILESIZE_EXCEEDED { return .tooLarge }
        switch code {
        case CURLE_OK: return nil
        case CURLE_OPERATION_TIMEDOUT: return .timedOut
        default: return .cut(words)
        }
    }

    private var statusError: SpotifyError {
        let message = ErrorBody.words(in: body, status: status)
        switch status {
        case 200: return .notJSON
        case 400: return .badRequest(message)
        case 401: return .unauthorized
        case 403: return .forbidden(message)
        // Only in the Web API's own words: a 404 of something between us and Spotify must not make a record gone.
        case 404: return ErrorBody(body) == nil ? .unexpected(status: 404) : .notFound(message)
        case 429: return .rateLimited(retryAfter: retryAfter, quotaExceeded: ErrorBody(body)?.reason == "QUOTA_EXCEEDED")
        case 500..<600: return .server(status: status, message: message)
        default: return .unexpected(status: status)
        }
    }
}
