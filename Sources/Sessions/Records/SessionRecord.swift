/// What is shown of a session. It may be lost at any time: nothing is decided by it.
struct SessionRecord: Sendable, Equatable {
    var userID: Int64
    var userName: String
    /// A few words made of the User-Agent.
    var device: String
    var userAgent: String
    var address: String
    /// ms since 1970.
    var createdAt: Int64
    var seenAt: Int64

    init(userID: Int64, userName: String, userAgent: String?, address: String, createdAt: Int64, seenAt: Int64) {
        self.userID = userID
        self.userName = userName
        device = Device.name(userAgent: userAgent)
        self.userAgent = String((userAgent ?? "").unicodeScalars.prefix(256).map(Character.init))
        self.address = address
        self.createdAt = createdAt
        self.seenAt = seenAt
    }

    var stored: [UInt8] {
        JSONWriter().write(
            .object([
                JSONMember("user", .integer(userID)), JSONMember("username", .string(userName)), JSONMember("agent", .string(userAgent)),
                JSONMember("address", .string(address)), JSONMember("created", .integer(createdAt)), JSONMember("seen", .integer(seenAt)),
            ]))
    }

    /// nil where the bytes are not a record.
    init?(stored: [UInt8]) {
        guard let value = try? JSONReader.read(stored), let userID = value["user"]?.pythonInteger,
            let createdAt = value["created"]?.pythonInteger, let seenAt = value["seen"]?.pythonInteger
        else { return nil }
        self.init(
            userID: userID, userName: value["username"]?.text ?? "", userAgent: value["agent"]?.text, address: value["address"]?.text ?? "",
            createdAt: createdAt, seenAt: seenAt)
    }
}
