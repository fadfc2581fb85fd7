import uPlot from "uplot"
/** The server has uPlot's module under this name. */
export default uPlot
