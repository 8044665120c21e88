import Catalog
import FastCGI

/// Answers questions for all metadata routes: at once from what is known, else by parking the caller until it is.
struct MetadataDesk: Sendable {
    let catalog: Catalog
    let missWait: Duration
    /// `SWINGMUSIC_FCGI_PUBLIC_URL`.
    let publicURL: BaseURL?

    func answer(_ question: some Question, _ request: Request, client: String, _ dialect: Dialect, notFound: String? = nil) -> Outcome {
        let inquiry = Inquiry(
            catalog: catalog, question: question, base: question.mayLinkBack ? base(of: request) : "",
            wishes: Wishes(request, dialect, notFound: notFound), client: client)
        switch catalog.approach(to: question) {
        case .asItComes: return inquiry.outcome(nil, patience(of: request))
        case .here(let ahead): return inquiry.outcome(ahead, patience(of: request))
        case .ahead(let resource, let key):
            let patience = patience(of: request)
            return .soon(
                Soon { [catalog] promise in
                    switch catalog.readAhead(resource, key: key, then: { promise.keep(inquiry.outcome($0, patience)) }) {
                    case .begun: nil
                    case .ended(let ahead): inquiry.outcome(ahead, patience)
                    }
                })
        }
    }

    private func patience(of request: Request) -> Patience { Patience(request.parameter("HTTP_PREFER"), most: missWait) }

    /// Scheme and host for links: the setting's, else the request's when they are a plain host and port.
    private func base(of request: Request) -> String {
        if let publicURL { return publicURL.text }
        let scheme = request.parameter("REQUEST_SCHEME") == "https" || request.parameter("HTTPS") == "on" ? "https" : "http"
        return BaseURL(scheme: scheme, host: request.parameter("HTTP_HOST") ?? "")?.text ?? ""
    }
}

/// One caller's question on its way: what is known answers it at once, what is missing parks the caller.
private struct Inquiry: Sendable {
    let catalog: Catalog
    let question: any Question
    let base: String
    let wishes: Wishes
    let client: String

    func outcome(_ ahead: ReadAhead?, _ patience: @autoclosure () -> Patience) -> Outcome {
        do {
            switch try catalog.answer(question, base: base, ahead: ahead) {
            case .complete(let composed): return .now(MetadataAnswer.complete(composed, wishes))
            case .denied(let denial): return .now(MetadataAnswer.denied(denial, wishes))
            case .missing(let resources):
                let parked = ParkedQuestion(
                    catalog: catalog, question: question, base: base, wishes: wishes, client: client, patience: patience())
                return .later(parked.ticket(for: resources))
            }
        } catch {
            var response = wishes.dialect.unavailable("The database cannot be read: \(error)", retryAfter: .seconds(5))
            response.omitsBody = wishes.isHead
            return .now(response)
        }
    }
}
