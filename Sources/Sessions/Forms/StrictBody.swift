/// Bodies that are checked here and read by swingmusic afterwards: nothing in them may be readable in two ways.
enum StrictBody {
    enum Kind { case text, integer, texts }

    /// - Parameter known: the fields that may occur.
    static func fields(_ body: FormBody, known: [(name: String, kind: Kind)]) -> Result<JSONValue, FormFault> {
        guard body.mediaType == "application/json", body.charset ?? "utf-8" == "utf-8" else {
            return .failure(FormFault(message: "Content-Type must be application/json"))
        }
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONReader.read(body.bytes, duplicates: .refuse)
        } catch {
            let reason = error.reason == .duplicateName ? "A field occurs twice" : "Not JSON in UTF-8"
            return .failure(FormFault(message: reason))
        }
        guard let members = value.members else { return .failure(FormFault(message: "The body must be a JSON object")) }
        let errors = members.flatMap { member in
            guard let field = known.first(where: { $0.name.isSpelled(member.name) }) else {
                return [FieldError.unknown(member.name, member.value)]
            }
            return check(member, field.kind)
        }
        return errors.isEmpty ? .success(value) : .failure(FormFault(errors))
    }

    private static func check(_ member: JSONMember, _ kind: Kind) -> [FieldError] {
        switch (kind, member.value) {
        case (.text, .string): return []
        case (.text, let value): return [.notText([.string(member.name)], value)]
        case (.integer, .number(let text)) where Int64(text) != nil: return []
        case (.integer, let value): return [.notInteger(member.name, value)]
        case (.texts, .array(let items)):
            return items.enumerated().compactMap { index, item in
                item.text == nil ? .notText([.string(member.name), .integer(Int64(index))], item) : nil
            }
        case (.texts, let value): return [.notList(member.name, value)]
        }
    }
}
