/// Why a text was refused, and where.
public struct JSONFault: Error, Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        /// Bytes that are no UTF-8 (RFC 3629). It comes before every other fault, wherever in the text it is.
        case notUTF8
        /// A value was to come: the text ended, or what stands there begins none. A word or a number that breaks off counts from its start.
        case expectedValue
        case expectedName, expectedColon
        /// A comma or the closing bracket.
        case expectedComma
        /// A string with a control character, a bad escape, without an end, or (where that is refused) with half of a surrogate pair.
        case badString
        case tooDeep
        /// Something follows the value.
        case extraData
        /// A member's name occurs twice in an object; only where that is refused.
        case duplicateName
        /// Longer than the 4 GiB that a place can name.
        case tooLong
    }

    public var reason: Reason
    /// The byte at which reading ended, counted from 0.
    public var offset: Int

    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension JSONFault: CustomStringConvertible {
    public var description: String {
        let words =
            switch reason {
            case .notUTF8: "not UTF-8"
            case .expectedValue: "a value is missing"
            case .expectedName: "a member's name is missing"
            case .expectedColon: "a colon is missing"
            case .expectedComma: "a comma or a closing bracket is missing"
            case .badString: "a string is malformed"
            case .tooDeep: "nested too deep"
            case .extraData: "something follows the value"
            case .duplicateName: "a name occurs twice"
            case .tooLong: "too long"
            }
        return "\(words) (byte \(offset))"
    }
}

/// What a reader accepts of what RFC 8259 leaves open.
public struct JSONRules: Sendable, Equatable {
    /// The deepest place at which a value may stand; the outermost one is at 0. Reading goes down by recursion, so this bounds the stack.
    public var deepest: Int
    /// Whether an object that has a name twice is refused; else all its members are kept, in their order.
    public var refusesDuplicates: Bool
    /// Whether half of a surrogate pair (`"\ud800"`) is refused; else it reads as U+FFFD.
    public var refusesLoneSurrogates: Bool

    public init(deepest: Int = 64, refusesDuplicates: Bool = false, refusesLoneSurrogates: Bool = false) {
        self.deepest = deepest
        self.refusesDuplicates = refusesDuplicates
        self.refusesLoneSurrogates = refusesLoneSurrogates
    }
}
