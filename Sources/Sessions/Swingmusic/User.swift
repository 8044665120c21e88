/// A user of swingmusic's.
public struct User: Sendable, Equatable {
    public let id: Int64
    public let name: String
    public let image: String?
    /// The column as it is stored: a JSON array as text.
    let rolesText: String
    let extraText: String?

    public var roles: [String] { rolesValue.texts }
    public var isAdmin: Bool { roles.contains("admin") }
    public var isGuest: Bool { roles.contains("guest") }

    var rolesValue: JSONValue { Self.value(rolesText) }
    var extraValue: JSONValue { extraText.map(Self.value) ?? .null }

    /// `sub` of a token, in the contract's order.
    var subject: JSONValue {
        .object([
            JSONMember("id", .integer(id)), JSONMember("image", image.map(JSONValue.string) ?? .null),
            JSONMember("username", .string(name)),
            JSONMember("roles", rolesValue), JSONMember("extra", extraValue),
        ])
    }

    private static func value(_ text: String) -> JSONValue { (try? JSONReader.read(text))?.withoutDuplicates ?? .null }
}

/// A user with the stored hash of the password. It stays in this room.
struct Account: Sendable, Equatable {
    let user: User
    /// Lower-case hex as stored.
    let passwordHash: String
}

extension JSONValue {
    /// The texts of an array.
    fileprivate var texts: [String] {
        guard case .array(let items) = self else { return [] }
        return items.compactMap(\.text)
    }
}
