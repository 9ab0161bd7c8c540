"""Pages of HTML that need nothing else: styles, figures, pictures and looks inside, nothing fetched."""

from gazecli.reports.page.assembly import Drawn, Section, Table, page_of
from gazecli.reports.page.report import report_page
from gazecli.reports.page.scenes import Scene

__all__ = ["Drawn", "Scene", "Section", "Table", "page_of", "report_page"]
