/// Why a token is refused, in the words of swingmusic's libraries.
public enum TokenFault: Error, Sendable, Equatable {
    case notEnoughSegments
    case padding(part: String)
    case notJSON(part: String, reason: String)
    case notObject(part: String)
    case keyIdentifier
    case critical
    case algorithmMissing
    case algorithm
    case signature
    case notInteger(claim: String)
    case immature(claim: String)
    case expired
    case identifier
    case subjectMissing
    case subjectShape
    case refreshToken
    case accessToken
    case tooLong

    /// The status of the answer.
    public var status: Int { self == .expired ? 401 : 422 }

    /// The `msg` of the answer.
    public var message: String {
        switch self {
        case .notEnoughSegments: "Not enough segments"
        case .padding(let part): "Invalid \(part) padding"
        case .notJSON(let part, let reason): "Invalid \(part) string: \(reason)"
        case .notObject(let part): "Invalid \(part) string: must be a json object"
        case .keyIdentifier: "Key ID header parameter must be a string"
        case .critical: "Unsupported critical extension"
        case .algorithmMissing: "Algorithm not specified"
        case .algorithm: "The specified alg value is not allowed"
        case .signature: "Signature verification failed"
        case .notInteger(let claim): "\(Self.longName[claim] ?? claim) claim (\(claim)) must be an integer."
        case .immature(let claim): "The token is not yet valid (\(claim))"
        case .expired: "Token has expired"
        case .identifier: "JWT ID must be a string"
        case .subjectMissing: "Missing claim: sub"
        case .subjectShape: "Invalid claim: sub must be an object with an id"
        case .refreshToken: "Only non-refresh tokens are allowed"
        case .accessToken: "Only refresh tokens are allowed"
        case .tooLong: "The token is too long"
        }
    }

    private static let longName = ["exp": "Expiration Time", "iat": "Issued At", "nbf": "Not Before"]
}
