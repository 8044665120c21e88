/// Why a text is not JSON.
struct JSONFault: Error, Equatable {
    enum Reason: Equatable {
        case notUTF8, expectedValue, expectedName, expectedColon, expectedComma, badString, badNumber, tooDeep, extraData
        case duplicateName
    }

    var reason: Reason
    /// The byte at which reading ended, counted from 0.
    var offset: Int
}

extension JSONFault: CustomStringConvertible {
    /// In the words of Python's `json` module, which the session contract shows to clients.
    var description: String {
        let words =
            switch reason {
            case .notUTF8: "Invalid UTF-8"
            case .expectedValue, .badNumber: "Expecting value"
            case .expectedName: "Expecting property name enclosed in double quotes"
            case .expectedColon: "Expecting ':' delimiter"
            case .expectedComma: "Expecting ',' delimiter"
            case .badString: "Invalid string"
            case .tooDeep: "Nested too deep"
            case .extraData: "Extra data"
            case .duplicateName: "Duplicate name"
            }
        return "\(words): line 1 column \(offset + 1) (char \(offset))"
    }
}
