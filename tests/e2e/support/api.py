"""DataBuild's own API: the REST door, with a bearer token."""

import http.client
import json
import urllib.parse


class ApiError(AssertionError):
    """An answer that is not 200."""

    def __init__(self, what, code, body):
        super().__init__(f"{what}: HTTP {code}: {body[:500].decode(errors='replace')}")
        self.code = code
        self.body = body


class Api:
    def __init__(self, host, port, token):
        self.host, self.port, self.token = host, port, token

    def get(self, path, query=None, seconds=30):
        """The JSON answer of GET path; a list in the query is repeated."""
        status, body, _ = self.exchange("GET", path, query, seconds)
        if status != 200:
            raise ApiError(f"GET {path} {query or ''}", status, body)
        return json.loads(body)

    def post(self, path, message, headers=None):
        """The JSON answer of POST path with a JSON body."""
        status, body, _ = self.exchange("POST", path, body=message, headers=headers)
        if status != 200:
            raise ApiError(f"POST {path}", status, body)
        return json.loads(body)

    def exchange(self, method, path, query=None, seconds=30, body=None, headers=None):
        """Status, body and headers of the answer. body: sent as JSON."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            headers = dict(headers or {})
            if self.token:
                headers["Authorization"] = f"Bearer {self.token}"
            if body is not None:
                headers["Content-Type"] = "application/json"
                body = json.dumps(body)
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def graph(self, name):
        return GraphApi(self, name)


class GraphApi:
    """The resources of one graph."""

    def __init__(self, api, graph):
        self.api = api
        self.path = f"/api/v1/graphs/{graph}"

    def page(self, resource, **query):
        return self.api.get(f"{self.path}/{resource}", query)

    def walk(self, resource, field, **query):
        """Every row of a list, through all its pages."""
        rows, token = [], None
        while True:
            page = self.page(resource, **query, **({"page_token": token} if token else {}))
            rows += page.get(field, [])
            if not page.get("has_more"):
                return rows
            token = page["next_page_token"]

    def put(self, resource, message, headers=None):
        """Creates wants or taints; answers what became of them."""
        return self.api.post(f"{self.path}/{resource}", message, headers)

    def events_page(self, since_idx=0, seconds=90, **query):
        query = dict(query, since_idx=since_idx)
        return self.api.get(f"{self.path}/events", query, seconds)

    def events(self, since_idx=0, **query):
        """Every event after since_idx, through all pages."""
        events = []
        while True:
            page = self.events_page(since_idx, **query)
            events += page.get("events", [])
            since_idx = int(page.get("next_idx", since_idx))
            if not page.get("has_more"):
                return events

    def partitions(self, **query):
        return self.walk("partitions", "refs", **query)

    def partition(self, ref):
        return self.api.get(f"{self.path}/partitions/{urllib.parse.quote(ref, safe='')}")

    def wants(self, **query):
        return self.walk("wants", "wants", **query)

    def want(self, want_id):
        return self.api.get(f"{self.path}/wants/{want_id}")

    def job_runs(self, **query):
        return self.walk("job_runs", "job_runs", **query)

    def log(self, run_id, **query):
        """The whole log of an ended run: its lines, and what the last page says of it."""
        lines, token = [], None
        while True:
            page = self.page(f"job_runs/{run_id}/logs", **query,
                             **({"page_token": token} if token else {}))
            lines += page.get("entries", [])
            following = page.get("next_page_token")
            if not following:
                return lines, page
            if following == token:
                raise AssertionError(f"the log of {run_id} is not finished: "
                                     f"{page.get('incomplete_reason')}, {len(lines)} lines")
            token = following
