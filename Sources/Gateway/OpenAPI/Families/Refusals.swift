/// The refusals of the families that speak the plain dialect and are the administrator's.
enum Refusals {
    static func all(_ statuses: [Int]) -> [DescribedAnswer] {
        statuses.map { .json($0, words[$0] ?? "Refused.", .named("Error"), headers: DescribedHeader.always(with: $0)) }
    }

    private static let words = [
        400: "A malformed key or parameter, or a namespace that is not cleared here.", 401: "An admin's session or token is needed.",
        403: "Only admins can do that, or nobody can, or a page of another site used an admin's cookie.",
        404: "There is nothing of that name.",
        413: "A body over 1 MiB.", 503: "The database or the sessions cannot be used, or the server is busy.",
    ]
}
