import CSystem
import Caching
import Catalog
import FastCGI

/// Answers questions for all metadata routes: at once from what is known, else by parking the caller until it is.
struct MetadataDesk: Sendable {
    let catalog: Catalog
    let missWait: Duration
    /// `SWINGMUSIC_FCGI_PUBLIC_URL`.
    let publicURL: BaseURL?

    func answer(_ question: some Question, _ request: Request, client: String, _ dialect: Dialect, notFound: String? = nil) -> Outcome {
        let wishes = Wishes(request, dialect, notFound: notFound)
        let base = question.mayLinkBack ? base(of: request) : ""
        do {
            switch try catalog.answer(question, base: base) {
            case let .complete(composed): return .now(MetadataAnswer.complete(composed, wishes))
            case let .denied(denial): return .now(MetadataAnswer.denied(denial, wishes))
            case let .missing(resources):
                let patience = Patience(request.parameter("HTTP_PREFER"), most: missWait)
                let parked = ParkedQuestion(
                    catalog: catalog, question: question, base: base, wishes: wishes, client: client, patience: patience)
                return .later(parked.ticket(for: resources))
            }
        } catch {
            return .now(dialect.unavailable("The database cannot be read: \(error)", retryAfter: .seconds(5)))
        }
    }

    /// Scheme and host for links: the setting's, else the request's when they are a plain host and port.
    private func base(of request: Request) -> String {
        if let publicURL { return publicURL.text }
        let scheme = request.parameter("REQUEST_SCHEME") == "https" || request.parameter("HTTPS") == "on" ? "https" : "http"
        return BaseURL(scheme: scheme, host: request.parameter("HTTP_HOST") ?? "")?.text ?? ""
    }
}
