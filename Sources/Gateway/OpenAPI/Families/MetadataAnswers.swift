/// What every metadata route may answer, in its family's shape of errors.
enum MetadataAnswers {
    /// - Parameter schema: of the answer itself.
    static func all(_ schema: Schema, error: Schema, takesBody: Bool = false) -> [DescribedAnswer] {
        [
            .json(200, "What was asked for.", schema, headers: [.cacheStatus]),
            .json(
                202, "With Prefer: respond-async: not known yet, and queued.", queued,
                headers: [.retryAfter, .preferenceApplied, .cacheStatus]),
            DescribedAnswer(304, "The caller has it already (If-None-Match).", headers: [.entityTag, .cacheStatus]),
            .json(400, "A malformed id, parameter or body; or Spotify's own 400.", error),
            .json(401, "A session is needed and there is none, or its token is no good.", error, headers: [.authenticate]),
            .json(403, "Spotify does not give this to this account; or a page of another site used the user's cookie.", error),
            .json(404, "Spotify does not know it.", error),
        ] + (takesBody ? [.json(413, "A body over 64 KiB.", error)] : []) + [
            .json(
                503, "Not known, and not to be had within the caller's patience; or the session cannot be checked.", error,
                headers: [.retryAfter])
        ]
    }

    /// What every one of them may be asked with.
    static let headers: [DescribedParameter] = [
        .header(
            "Prefer",
            "RFC 7240: `wait=5` waits at most 5 s for a lookup, `respond-async` not at all; what is no preference is ignored.", .text),
        .header("If-None-Match", "The ETag of what the caller has already (RFC 9110, 13.1.2).", .text),
    ]

    private static let queued = Schema.object(["status": .constant("queued")])
}
